use std::fs::File;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

/// A new terminal: its keyboard and screen, and what a program has of it. Not by openpty(3), whose descriptors
/// the children of tests that run at the same time would inherit.
#[must_use]
pub fn terminal() -> (File, File) {
    let options = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(options).expect("Linux has pseudo terminals");
    grantpt(&master).expect("Linux has pseudo terminals");
    unlockpt(&master).expect("Linux has pseudo terminals");
    let name = ptsname_r(&master).expect("Linux has pseudo terminals");
    let slave = nix::fcntl::open(name.as_str(), options, Mode::empty()).expect("Linux has pseudo terminals");
    (OwnedFd::from(master).into(), slave.into())
}
