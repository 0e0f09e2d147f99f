//! LISTEN_PID (sd_listen_fds(3)), which says for which process inherited sockets are.
//!
//! An engine that hands sockets on names the process that it starts, which is us, and means the program. That one's number is
//! known only when it is there, so it becomes the program by a call of its own.

use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

use nix::unistd::{execve, getpid};

const LISTEN_PID: &str = "LISTEN_PID";

/// The same process by the inode of its pidfd, as newer systemds name it too. Where it is not given LISTEN_PID alone counts; one that
/// names us would have the program leave its sockets alone.
const LISTEN_PIDFDID: &str = "LISTEN_PIDFDID";

/// A program that sockets were inherited for.
pub(crate) struct Listening {
    path: CString,
    words: Vec<CString>,
    /// Without LISTEN_PID and LISTEN_PIDFDID.
    environment: Vec<CString>,
}

impl Listening {
    /// The program of this command, called by this name, if the environment that it gets names us as the one that is to listen.
    pub fn of(command: &Command, name: &OsStr) -> Option<Self> {
        let changed = |key: &OsStr| command.get_envs().find(|(other, _)| *other == key);
        let inherited = std::env::vars_os().filter(|(key, _)| changed(key).is_none());
        let set = command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        let all: Vec<(OsString, OsString)> = inherited.chain(set).collect();
        let us = getpid().to_string();
        let names_us = all.iter().any(|(key, value)| key == LISTEN_PID && *value == *us);
        let words = std::iter::once(name).chain(command.get_args());
        // What holds a NUL is refused by the other way to start a program, too.
        names_us.then(|| Self::new(command.get_program(), words, all).ok()).flatten()
    }

    fn new<'a>(
        path: &OsStr,
        words: impl Iterator<Item = &'a OsStr>,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, NulError> {
        let others = environment.into_iter().filter(|(key, _)| key != LISTEN_PID && key != LISTEN_PIDFDID);
        let pair = |(mut key, value): (OsString, OsString)| {
            key.push("=");
            key.push(value);
            CString::new(key.into_vec())
        };
        Ok(Self {
            path: CString::new(path.as_bytes())?,
            words: words.map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?,
            environment: others.map(pair).collect::<Result<_, _>>()?,
        })
    }

    /// Becomes the program, with its own number. Allocates, which the allocator is to allow after a fork.
    pub fn exec(&mut self) -> nix::Result<()> {
        let ours = CString::new(format!("{LISTEN_PID}={}", getpid())).unwrap_or_default();
        self.environment.push(ours);
        execve(&self.path, &self.words, &self.environment).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text of an environment, now and then with a byte that is no UTF-8 or that none takes.
    fn text() -> impl Strategy<Value = OsString> {
        prop::collection::vec(prop_oneof![20 => 1u8.., 1 => Just(0)], 0..9).prop_map(OsString::from_vec)
    }

    fn pairs() -> impl Strategy<Value = Vec<(OsString, OsString)>> {
        let key = prop_oneof![
            2 => text(),
            1 => prop::sample::select(&["LISTEN_PID", "LISTEN_FDS", "LISTEN_PIDS", "LISTEN_PIDFDID", "LISTEN_FDNAMES"][..]).prop_map(OsString::from),
        ];
        prop::collection::vec((key, text()), 0..8)
    }

    proptest! {
        /// All of it, as it was, but for the one number; or nothing, where a program could not be started with it.
        #[test]
        fn the_environment_passes_unchanged_but_for_whom_it_names(pairs in pairs(), words in prop::collection::vec(text(), 0..4)) {
            let kept: Vec<_> = pairs.iter().filter(|(key, _)| key != LISTEN_PID && key != LISTEN_PIDFDID).collect();
            let all = words.iter().chain(kept.iter().flat_map(|(key, value)| [key, value]));
            let has_nul = all.clone().any(|text| text.as_bytes().contains(&0));
            let listening = Listening::new(OsStr::new("/program"), words.iter().map(OsString::as_os_str), pairs.clone()).ok();
            prop_assert_eq!(listening.is_none(), has_nul);
            if let Some(listening) = listening {
                let expected = kept.iter().map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat());
                let passed = listening.environment.into_iter().map(CString::into_bytes);
                prop_assert_eq!(passed.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
                let passed = listening.words.into_iter().map(CString::into_bytes);
                prop_assert_eq!(passed.collect::<Vec<_>>(), words.iter().cloned().map(OsString::into_vec).collect::<Vec<_>>());
            }
        }

        /// Only the number itself: a blank, a sign or a zero before it is another text to sd_listen_fds(3), or none.
        #[test]
        fn only_our_own_number_is_ours(value in prop_oneof!["[ +0]{1,2}".prop_map(|before| before + &getpid().to_string()), Just(getpid().to_string()), "\\PC{0,6}"]) {
            #[expect(clippy::disallowed_methods, reason = "nothing is started")]
            let mut command = Command::new("/program");
            command.env(LISTEN_PID, &value);
            prop_assert_eq!(Listening::of(&command, OsStr::new("p")).is_some(), value == getpid().to_string());
        }
    }
}
