use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::libc::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SYS_rt_sigaction, syscall};
use tempfile::TempDir;

use crate::process::Process;
use crate::wait::wait_until;

/// What one test owns: a folder, and every process that was started through it.
///
/// Its processes are known by the folder's name in their environment, which their own children inherit, so that
/// one that got a new parent or a session of its own is found too. Whatever lives when the test is over gets KILL,
/// by pid, and fails the test.
#[derive(Debug)]
pub struct Case {
    folder: TempDir,
}

impl Case {
    /// A new folder, and no process.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("berth-test-").tempdir();
        Self { folder: folder.expect("the folder for temporary files can be written") }
    }

    /// The test's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the test's folder.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes a file in the test's folder, with the folders above it, and gives its path.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.path(name);
        let written = path.parent().map_or(Ok(()), fs_err::create_dir_all);
        written.and_then(|()| fs_err::write(&path, text)).expect("the test's own folder can be written");
        path
    }

    /// Writes a program into the test's folder, with the folders above it, which everybody may run, and gives its path.
    ///
    /// Not by us: what other threads start meanwhile would have the file open for writing until its own execve(2), and
    /// nobody could run it (ETXTBSY).
    pub fn program(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.path(name);
        let script = "mkdir -p \"${1%/*}\" && printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"";
        let written = self.command("sh").args(["-c", script, "sh"]).arg(&path).arg(text).status();
        assert!(written.expect("sh(1) is everywhere").success(), "the test's own folder can be written");
        path
    }

    /// What a file in the test's folder holds; nothing when it is not there.
    #[must_use]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs_err::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A command that runs in the test's folder, with nothing in its environment but PATH and the folder's name.
    #[allow(clippy::disallowed_methods)] // This is the one file that spawns.
    #[expect(unsafe_code, reason = "the C library has no words for the two signals that it keeps for itself")]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("BERTH_TEST_CASE", self.folder()).current_dir(self.folder());
        // nohup and a shell's `&` leave these ignored, and whoever means to use them the two of the C library, which a test is
        // not to depend on. By the system call: the C library has no words for its own two.
        let default = || {
            // The kernel's sigaction: handler SIG_DFL, no flags, no restorer, an empty mask.
            let action = [0_u64; 4];
            for signal in [SIGHUP, SIGINT, SIGQUIT, 32, 33] {
                let (action, before) = (action.as_ptr(), std::ptr::null::<u64>());
                // SAFETY: rt_sigaction(2) reads the action, with a mask of eight bytes; there is no handler that could run.
                unsafe { syscall(SYS_rt_sigaction, signal, action, before, size_of::<u64>()) };
            }
            Ok(())
        };
        // SAFETY: system calls may be made between fork and exec (signal-safety(7)), and nothing else is done.
        unsafe { command.pre_exec(default) };
        command
    }

    /// The processes of this test that live.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let folder = self.folder().to_string_lossy();
        let is_ours =
            |process: &Process| process.file("environ").is_some_and(|text| text.contains(folder.as_ref()));
        Process::all().into_iter().filter(|process| process.lives() && is_ours(process)).collect()
    }

    /// The process of this test that runs this program with this word in its command line, once there is one.
    #[must_use]
    pub fn process(&self, program: &str, word: &str) -> Process {
        let is_it = |process: &Process| {
            let words = process.words();
            words.first().is_some_and(|first| Path::new(first).ends_with(program))
                && words.iter().any(|other| other == word)
        };
        wait_until(&format!("a process {program} {word}"), || self.processes().into_iter().find(is_it))
    }

    /// Ends what is left, and says what it was.
    fn clear(&self) -> Vec<String> {
        let mut left = Vec::new();
        // One that is forking right now may leave a child behind, so until nothing is found.
        loop {
            let found = self.processes();
            if found.is_empty() {
                return left;
            }
            for process in found {
                left.push(format!("{} {}", process.0, process.words().join(" ")));
                // It may have ended meanwhile.
                let _ = process.signal(SIGKILL);
            }
            std::thread::yield_now();
        }
    }
}

impl Default for Case {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let left = self.clear();
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:#?}");
    }
}
