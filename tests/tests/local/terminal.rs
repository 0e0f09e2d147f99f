//! A terminal of 80 columns and 24 rows that a command runs on, with its keyboard and what was drawn.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use berth_tests::{Case, wait_until, wait_until_within};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

pub struct Terminal {
    child: Child,
    pub keyboard: File,
    drawn: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Runs a command on it.
    pub fn run(case: &Case, mut command: Command) -> Self {
        let options = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(options).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = nix::fcntl::open(ptsname_r(&master).unwrap().as_str(), options, Mode::empty()).unwrap();
        let mut size = case.command("stty");
        let size =
            size.args(["cols", "80", "rows", "24"]).stdin(slave.try_clone().unwrap()).status().unwrap();
        assert!(size.success());
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        command.env("TERM", "xterm");
        let child = command.spawn().unwrap();
        drop(command);
        let keyboard = File::from(OwnedFd::from(master));
        let drawn = Arc::new(Mutex::new(String::new()));
        let (mut screen, all) = (keyboard.try_clone().unwrap(), Arc::clone(&drawn));
        let reader = spawn(move || {
            let mut bytes = [0; 4096];
            // EIO is how a terminal says that nobody has it open any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keyboard, drawn, reader }
    }

    pub fn shows(&self, what: &str) {
        wait_until(&format!("{what} is drawn"), || self.drawn.lock().unwrap().contains(what).then_some(()));
    }

    /// Waits for the command's end; gives its exit code and all that was drawn.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let ended = wait_until_within(Duration::from_mins(2), "it ends", || self.child.try_wait().unwrap());
        wait_until("all is read", || self.reader.is_finished().then_some(()));
        (ended.code(), self.drawn.lock().unwrap().clone())
    }
}
