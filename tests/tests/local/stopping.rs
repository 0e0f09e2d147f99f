//! A role that is asked to end under load ends in time, and loses nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use berth_tests::{Load, Mails, Process, init, wait_until, wait_until_within};
use nix::libc::{SIGINT, SIGTERM};
use serde_json::Value;

use crate::service::{ROLES, Service, have, tell};

/// The grace of each role, as `berth-init roles --json` tells it.
fn graces(service: &Service) -> BTreeMap<String, Duration> {
    let output = service.case.command(init()).args(["roles", "--json"]).output().unwrap();
    let roles: Value = serde_json::from_slice(&output.stdout).unwrap();
    let grace = |role: &Value| {
        let seconds = role["stop"]["grace_seconds"].as_f64().unwrap();
        (role["name"].as_str().unwrap().to_owned(), Duration::from_secs_f64(seconds))
    };
    roles.as_array().unwrap().iter().map(grace).collect()
}

#[test]
fn each_role_ends_within_its_grace_under_load_and_nothing_that_was_accepted_is_lost() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up();
    let graces = graces(&service);
    let load = Load::start(&service, Mails { threads: 2, size: 2000, pause: 0.05 });
    let mut told = Vec::new();
    for role in ROLES {
        load.goes_on(5);
        let before = service.log(role).len();
        let (init, main) = (service.process(role, "init"), service.process(role, "main"));
        let begun = Instant::now();
        init.signal(SIGTERM).unwrap();
        wait_until_within(graces[role], &format!("{role} ends"), || (!init.lives()).then_some(()));
        told.push(format!("{role} {} ms", begun.elapsed().as_millis()));
        assert!(!main.lives(), "{role}: its main process is left");
        let log = service.log(role);
        let ends: Vec<_> = log[before..].iter().filter(|line| line["message"] == "end").collect();
        assert_eq!(ends.len(), 1, "{role}: {log:#?}");
        assert_eq!(ends[0]["code"], 0, "{role}: drained, not given up: {:#?}", &log[before..]);
        service.bring_up();
    }
    tell(&format!("TERM under load, until the end: {}", told.join(", ")));
    load.goes_on(5);
    load.finish("TERM");
    service.down();
}

#[test]
fn a_service_that_is_taken_down_under_load_and_brought_up_again_has_lost_nothing() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up();
    let load = Load::start(&service, Mails { threads: 2, size: 2000, pause: 0.05 });
    load.goes_on(5);
    service.done(&["down"]);
    assert_eq!(service.case.processes().len(), 1, "the client alone is left");
    service.bring_up();
    load.goes_on(5);
    load.finish("berth down");
    service.down();
}

#[test]
fn ctrl_c_under_load_loses_nothing() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::new();
    let talk = File::create(service.case.path("talk")).unwrap();
    let mut up = service.berth(&["up", "--no-prove", "--only", &ROLES.join(",")]);
    let mut child = up.stdout(talk.try_clone().unwrap()).stderr(talk).spawn().unwrap();
    wait_until("it is up", || service.case.read("talk").contains("Ctrl-C stops it").then_some(()));
    let load = Load::start(&service, Mails { threads: 2, size: 2000, pause: 0.05 });
    load.goes_on(5);
    Process::of(&child).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{}", service.case.read("talk"));
    assert_eq!(service.case.processes().len(), 1, "the client alone is left");
    service.bring_up();
    load.goes_on(5);
    load.finish("Ctrl-C");
    service.down();
}
