//! No room is left: for mail, or for what berth itself writes.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use berth_tests::{Disk, Load, Mails, Process, is_root, skip, wait_until};
use nix::libc::{SIGINT, SIGKILL};

use crate::service::{Ran, Service, have};

/// A service whose data is on a small file system of its own, in a mount namespace of its own, so that the kernel
/// takes it away with the last role.
fn with_little_room() -> Service {
    let service = Service::new();
    let data = service.state("data");
    fs_err::create_dir_all(&data).unwrap();
    let berth = service.berth(&["up", "--detach", "--no-prove"]);
    let mut command = service.case.command("unshare");
    let script = "mount -t tmpfs -o size=16m,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    command
        .args(["--mount", "--", "sh", "-c", script])
        .arg(data)
        .arg(berth.get_program())
        .args(berth.get_args());
    command.envs(berth.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    service
}

/// Takes all room that is left; what does not fit is the kernel's business.
fn fill(path: &PathBuf) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn mail_is_put_off_when_no_room_is_left_and_none_that_was_accepted_is_lost() {
    if !is_root() {
        return skip("storage full: only root mounts a file system");
    }
    if !have(&["python3", "unshare", "mount", "nsenter"]) {
        return;
    }
    let service = with_little_room();
    let load = Load::start(&service, Mails { threads: 2, size: 20_000, pause: 0.05 });
    load.goes_on(5);
    let filler = service.files("data/filler");
    fill(&filler);
    for door in ["submission", "mx"] {
        let codes = wait_until(&format!("{door} puts mails off"), || {
            let codes = load.deferred(door);
            (codes.len() >= 5).then_some(codes)
        });
        assert!(codes.iter().all(|code| code == "451" || code == "452"), "{door}: {codes:?}");
    }
    fs_err::remove_file(filler).unwrap();
    load.goes_on(5);
    load.finish("storage full");
    assert_eq!(
        service.status()["roles"].as_array().unwrap().iter().filter(|role| role["restarts"] != 0).count(),
        0
    );
    service.down();
}

/// A log that could not be put aside ended `up`, `status` and `prove`, and what could not be written down was not stopped.
#[test]
fn with_no_room_for_its_own_files_a_service_is_kept_up_shown_and_stopped() {
    if !is_root() {
        return skip("no room for logs: only root mounts a file system");
    }
    let service = Service::new();
    let disk = Disk::mount(&service.state(""), "16m");
    let talk = File::create(service.case.path("talk")).unwrap();
    let mut up = service.berth(&["up", "--no-prove", "--only", "sqlite"]);
    let mut child = up.stdout(talk.try_clone().unwrap()).stderr(talk).spawn().unwrap();
    let talks = |what: &str, times: usize| {
        wait_until(what, || (service.case.read("talk").matches(what).count() >= times).then_some(()));
    };
    talks("Ctrl-C stops it", 1);
    // Longer than a log may be, and longer than what is left.
    let mut log = File::options().append(true).open(service.state("logs/sqlite.log")).unwrap();
    log.write_all("a line\n".repeat(11 * 1024 * 1024 / 7).as_bytes()).unwrap();
    let untended = "a log that is too long cannot be put aside, and grows on: ";
    talks(untended, 1);
    let ran = service.run(&["status"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.err.starts_with(untended) && ran.err.contains("logs/sqlite.log.0: "), "{}", ran.err);
    assert!(!service.state("logs/sqlite.log.0").exists());

    service.process("sqlite", "init").signal(SIGKILL).unwrap();
    talks("sqlite is started", 2);
    disk.fill();
    Process::of(&child).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    let talk = service.case.read("talk");
    assert_eq!(ended.code(), Some(0), "{talk}");
    assert_eq!(service.case.processes(), []);
    assert_eq!(talk.matches(untended).count(), 1, "once, and not each time: {talk}");
    assert!(talk.contains("it cannot be written down that this is taken down: "), "{talk}");
}
