//! No room is left for mail.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use berth_tests::{Load, Mails, is_root, skip, wait_until};

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
