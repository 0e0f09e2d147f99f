//! LISTEN_PID (sd_listen_fds(3)), which says for which process inherited sockets are.
//!
//! An engine that hands sockets on names the process that it starts, which is us, and means the program. That one's number is
//! known only when it is there, so it becomes the program by a call of its own.

use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

use nix::unistd::{execve, getpid};

const LISTEN_PID: &str = "LISTEN_PID";

/// A program that sockets were inherited for.
pub(crate) struct Listening {
    path: CString,
    words: Vec<CString>,
    /// Without LISTEN_PID.
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
        let others = environment.into_iter().filter(|(key, _)| key != LISTEN_PID);
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

    /// Becomes the program, with its own number. Allocates, so only where one thread has forked.
    pub fn exec(&mut self) -> nix::Result<()> {
        let ours = CString::new(format!("{LISTEN_PID}={}", getpid())).unwrap_or_default();
        self.environment.push(ours);
        execve(&self.path, &self.words, &self.environment).map(drop)
    }
}
