//! `berth status --watch`, on a terminal and elsewhere.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use berth_tests::{Process, wait_until};
use nix::fcntl::OFlag;
use nix::libc::SIGINT;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

use crate::service::Service;

/// What is drawn when the other screen is taken and given back (xterm, control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// `berth status --watch` on a terminal of its own, its keyboard, and what it has drawn.
struct Watched {
    child: Child,
    keyboard: File,
    drawn: Arc<Mutex<String>>,
}

impl Watched {
    fn start(service: &Service, term: &str) -> Self {
        let options = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(options).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = nix::fcntl::open(ptsname_r(&master).unwrap().as_str(), options, Mode::empty()).unwrap();
        let mut command = service.berth(&["status", "--watch"]);
        command.env("TERM", term).stdin(slave.try_clone().unwrap()).stdout(slave).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        drop(command);
        let keyboard = File::from(OwnedFd::from(master));
        let drawn = Arc::new(Mutex::new(String::new()));
        let (mut screen, all) = (keyboard.try_clone().unwrap(), Arc::clone(&drawn));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // EIO is how a terminal says that nobody has it open any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keyboard, drawn }
    }

    fn shows(&self, what: &str) {
        wait_until(&format!("{what} is drawn"), || self.drawn.lock().unwrap().contains(what).then_some(()));
    }

    fn ends(mut self) -> String {
        let ended = wait_until("it ends", || self.child.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0));
        wait_until("all is read", || self.drawn.lock().unwrap().ends_with(LEAVE).then_some(()));
        self.drawn.lock().unwrap().clone()
    }
}

#[test]
fn a_terminal_is_drawn_in_place_and_given_back_as_it_was() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    let mut watched = Watched::start(&service, "xterm");
    watched.shows("sqlite");
    service.done(&["restart", "sqlite"]);
    watched.shows("sqlite was started again");
    watched.keyboard.write_all(b"q").unwrap();
    let drawn = watched.ends();
    assert!(drawn.starts_with(ENTER), "{drawn:?}");
    assert!(!drawn.contains("\x1b[2J"), "it is drawn over, never cleared: {drawn:?}");
    // The whole picture each time, from the top: nothing scrolls.
    assert_eq!(drawn.matches("\x1b[H").count(), drawn.matches("ROLE").count(), "{drawn:?}");

    let mut watched = Watched::start(&service, "xterm");
    watched.shows("sqlite");
    watched.keyboard.write_all(b"\x03").unwrap();
    watched.ends();
    service.down();
}

#[test]
fn where_nothing_can_be_drawn_a_line_is_written_only_for_what_changes() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    let seen = File::create(service.case.path("seen")).unwrap();
    let mut child = service.berth(&["status", "--watch"]).stdout(seen).spawn().unwrap();
    wait_until("the table is written", || service.case.read("seen").contains("sqlite").then_some(()));
    service.done(&["restart", "sqlite"]);
    wait_until("the restart is written", || {
        service.case.read("seen").contains("sqlite was started again, now 1 times").then_some(())
    });
    Process(i32::try_from(child.id()).unwrap()).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let seen = service.case.read("seen");
    assert_eq!(seen.matches("ROLE").count(), 1, "{seen}");
    assert!(!seen.contains('\x1b'), "{seen:?}");
    let lines: Vec<_> = seen.lines().skip(2).collect();
    assert!(lines.iter().all(|line| line.contains("Z sqlite ")), "{seen}");
    service.down();
}
