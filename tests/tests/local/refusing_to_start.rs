//! An `up` that cannot do what it should says why, and leaves nothing half-way.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use berth_tests::application;

use crate::service::{Ran, Service};

#[test]
fn a_busy_port_is_named_with_the_process_that_holds_it() {
    let service = Service::new();
    let _holders = ["mx", "imap"].map(|role| TcpListener::bind(("127.0.0.1", service.port(role))).unwrap());
    let ran = service.run(&["up", "--detach"]);
    assert_eq!(ran.code, Some(69));
    let expected = format!("port {} of mx is held by process {} (", service.port("mx"), std::process::id());
    assert!(
        ran.err.lines().any(|line| line.contains(&expected) && line.matches("port ").count() == 1),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("error: 2 ports are taken"), "{}", ran.err);
    assert!(ran.err.contains("or use other ports: --port-offset "), "{}", ran.err);
    assert!(!ran.err.contains(&format!("--port-offset {}", service.offset)), "{}", ran.err);
    assert_eq!(service.case.processes(), [], "nothing was started");
}

#[test]
fn a_role_that_dies_at_start_shows_its_last_lines_and_the_others_are_stopped() {
    let service = Service::new();
    let app = service.case.path("app");
    fs_err::create_dir(&app).unwrap();
    for file in fs_err::read_dir(application()).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "imap.js" {
            symlink(file.path(), app.join(file.file_name())).unwrap();
        }
    }
    service.case.write("app/imap.js", "console.error('the moon is in the way'); process.exit(3);");
    let ran = Ran::of(&service.berth(&["up", "--detach"]).env("BERTH_APP_DIR", &app).output().unwrap());
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("  | the moon is in the way\n"), "{}", ran.err);
    assert!(ran.err.contains("sqlite stopped after"), "{}", ran.err);
    assert!(ran.err.contains("error: imap "), "{}", ran.err);
    assert_eq!(service.case.processes(), []);
}

#[test]
fn who_changes_the_service_keeps_others_from_it_and_is_named() {
    let service = Service::new();
    fs_err::create_dir(service.state("")).unwrap();
    fs_err::write(service.state("version"), "1\n").unwrap();
    let mut lock = File::create(service.state("lock")).unwrap();
    lock.lock().unwrap();
    writeln!(lock, "berth up (pid 4711)").unwrap();
    for words in [&["up", "--detach"][..], &["down"]] {
        let ran = service.run(words);
        assert_eq!(ran.code, Some(69), "{ran:#?}");
        assert!(ran.err.contains("is being changed by berth up (pid 4711)"), "{}", ran.err);
    }
}

#[test]
fn a_state_folder_of_another_version_is_left_alone() {
    let service = Service::new();
    fs_err::create_dir(service.state("")).unwrap();
    fs_err::write(service.state("version"), "7\n").unwrap();
    let ran = service.run(&["up", "--detach"]);
    assert_eq!(ran.code, Some(78), "{ran:#?}");
    assert!(ran.err.contains("has format 7"), "{}", ran.err);
    assert_eq!(fs_err::read_dir(service.state("")).unwrap().count(), 1, "nothing was made there");
}

/// A stand-in for Node, which does as the script says.
fn other_node(service: &Service, script: &str) -> String {
    let path = service.case.program("other/node", &format!("#!/bin/sh\n{script}\n"));
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_node_that_does_not_start_stops_nothing_and_one_that_runs_no_role_is_told_with_the_way_back() {
    let service = Service::up_with(&["sqlite"]);
    let before = service.process("sqlite", "init");
    let dead = other_node(&service, "echo the library is missing >&2; exit 127");
    let ran = service.run(&["up", "--detach", "--only", "sqlite", "--node", &dead]);
    assert_eq!(ran.code, Some(126), "{ran:#?}");
    assert!(ran.err.contains(&format!("error: the Node {dead} does not start\n")), "{}", ran.err);
    assert!(ran.err.contains("the library is missing"), "{}", ran.err);
    assert_eq!(service.process("sqlite", "init"), before);

    let poor = other_node(&service, "[ \"$1\" = --version ] && echo v24.0.0 && exit; exit 3");
    let ran = service.run(&["up", "--detach", "--only", "sqlite", "--node", &poor]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("with other programs than before, and what ran was stopped"), "{}", ran.err);
    let back =
        format!("hint: go back to those: berth up --node {}\n", berth_tests::node().unwrap().display());
    assert!(ran.err.contains(&back), "{}\n{back}", ran.err);
    assert_eq!(service.case.processes(), []);

    // A slip is not remembered, and what ran last is.
    let mut up = service.berth(&["up", "--detach", "--no-prove", "--only", "sqlite"]);
    up.env_remove("BERTH_NODE").env_remove("BERTH_APP_DIR").env_remove("BERTH_INIT");
    let ran = Ran::of(&up.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(service.role("sqlite")["state"], "ready");
    service.down();
}
