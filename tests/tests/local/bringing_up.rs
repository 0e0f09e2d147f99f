//! `berth up` on a fresh state, and again.

use std::fs::File;

use berth_tests::wait_until;
use nix::libc::{SIGCONT, SIGSTOP};
use serde_json::Value;

use crate::service::{ALL, ROLES, Ran, Service};
use crate::terminal::Terminal;

/// What must be the same after a second run.
const KEPT: [&str; 6] = [
    "settings.env",
    "account.json",
    "dkim/private.pem",
    "dkim/default.txt",
    "tls/ca.key",
    "tls/fullchain.pem",
];

#[test]
fn once_proves_a_fresh_service_stops_it_and_leaves_its_secrets_for_the_next_run() {
    let service = Service::new();
    let first = service.done(&["up", "--once"]);
    assert_eq!(service.case.processes(), [], "nothing runs on");
    for role in ALL {
        assert!(first.err.contains(&format!("{role} is ready after")), "{}", first.err);
        assert!(first.err.contains(&format!("{role} stopped after")), "{}", first.err);
    }
    assert!(first.out.contains("proven: a mail goes through"), "{}", first.out);
    assert!(!first.out.contains("skipped") && !first.out.contains("FAILED"), "{}", first.out);
    let kept = || KEPT.map(|file| service.case.read(format!("state/{file}")));
    let before = kept();
    assert!(before.iter().all(|text| !text.is_empty()));

    let second = service.done(&["up", "--once"]);
    assert_eq!(kept(), before);
    assert_eq!(service.case.processes(), []);
    assert!(!second.out.contains("Try it"), "nobody can try what has stopped: {}", second.out);
}

#[test]
fn every_step_of_the_proof_is_well_and_nothing_of_it_stays() {
    let service = Service::new();
    service.done(&["up", "--detach", "--no-prove"]);
    let accounts = service.admin(&["user", "list"]).out;
    let proof: Value = serde_json::from_str(&service.done(&["prove", "--json"]).out).unwrap();
    assert_eq!(proof["passed"], true);
    let steps = proof["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    let expected = [
        "sign-in", "submit", "notice", "fetch", "dkim", "mx", "pop3", "api", "web", "calendar", "contact",
        "refuse", "auth", "tidy",
    ];
    assert_eq!(names, expected);
    assert_eq!(proof["extent"], "mailbox");
    assert!(steps.iter().all(|step| step["outcome"] == "ok"), "{proof:#}");
    assert_eq!(service.admin(&["user", "list"]).out, accounts);
    service.down();
}

/// It submitted a mail that nobody was there to carry on, and failed after 20 s of waiting for it.
#[test]
fn a_mail_is_not_offered_where_a_role_on_its_way_is_not_wanted() {
    let service = Service::new();
    let ran = service.done(&["up", "--detach", "--only", "imap,smtp"]);
    for says in ["submit a mail over TLS with AUTH", "notice it through IDLE", "fetch it as it was sent"] {
        let line = ran.out.lines().find(|line| line.contains(says)).unwrap_or_else(|| panic!("{}", ran.out));
        assert!(line.ends_with("not offered"), "{line}");
    }
    assert!(ran.out.contains("what is offered is well; no mail could be sent through it"), "{}", ran.out);
    service.down();
}

/// While the worker that sends the queue does nothing, a submitted mail does not come.
#[test]
fn a_proof_that_fails_says_where_and_why_and_leaves_no_account() {
    let service = Service::new();
    service.bring_up();
    let worker = service.process("smtp-bree", "main");
    worker.signal(SIGSTOP).unwrap();
    let accounts = service.admin(&["user", "list"]).out;
    let ran = service.run(&["prove", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let proof: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(proof["passed"], false);
    let outcome = |name: &str| {
        let steps = proof["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("{name}: {proof:#}")).clone()
    };
    for (name, expected) in [("submit", "ok"), ("notice", "failed"), ("fetch", "failed"), ("mx", "ok")] {
        assert_eq!(outcome(name)["outcome"], expected, "{proof:#}");
    }
    assert!(!outcome("notice")["because"].as_array().unwrap().is_empty(), "{proof:#}");
    assert_eq!(service.admin(&["user", "list"]).out, accounts);
    worker.signal(SIGCONT).unwrap();
    service.down();
    let ran = service.run(&["prove"]);
    assert_eq!((ran.code, ran.err.contains("nothing is up here")), (Some(69), true), "{ran:#?}");
}

#[test]
fn the_domain_stays_and_other_ports_move_what_runs() {
    let mut service = Service::new();
    service.bring_up_with(&["imap"]);
    let before = service.all_of(&["sqlite", "imap"], "init");
    let ran = service.run(&["up", "--detach", "--domain", "elsewhere.test"]);
    assert_eq!(ran.code, Some(64), "{ran:#?}");
    assert!(ran.err.contains("this installation is for example.test, not for elsewhere.test"), "{}", ran.err);
    assert_eq!(service.all_of(&["sqlite", "imap"], "init"), before);

    let elsewhere = Service::new();
    service.offset = elsewhere.offset;
    let ran = service.bring_up_with(&["imap"]);
    assert!(ran.err.contains("imap runs with other settings ("), "{}", ran.err);
    assert!(before.iter().all(|init| !init.lives()));
    assert_eq!(service.role("imap")["ports"][0]["number"], service.port("imap"));

    let inits = service.all_of(&["sqlite", "imap"], "init");
    let state = service.state("");
    let mut again = service.berth(&[
        "--state",
        state.to_str().unwrap(),
        "up",
        "--detach",
        "--no-prove",
        "--only",
        "imap",
    ]);
    let ran = Ran::of(&again.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(service.all_of(&["sqlite", "imap"], "init"), inits, "the ports are those of the last time");
    service.down();
}

#[test]
fn a_second_up_changes_nothing_and_a_restart_changes_one_main_process() {
    let service = Service::up();
    let (inits, mains) = (service.all("init"), service.all("main"));
    service.bring_up();
    assert_eq!((service.all("init"), service.all("main")), (inits.clone(), mains.clone()));

    service.done(&["restart", "imap"]);
    assert_eq!(service.all("init"), inits);
    let imap = ROLES.iter().position(|role| *role == "imap").unwrap();
    for (at, (before, after)) in mains.iter().zip(service.all("main")).enumerate() {
        assert_eq!(*before != after, at == imap, "{}", ROLES[at]);
    }
    let status = service.status();
    assert_eq!((&status["up"], &status["ready"]), (&Value::Bool(true), &Value::Bool(true)));

    let all = service.done(&["logs"]).out;
    for role in ROLES {
        assert!(all.lines().any(|line| line.starts_with(&format!("{role:<9} | "))), "{role}: {all}");
    }
    logs_are_one(&service, &all);
    let last = service.done(&["logs", "imap", "-n", "1"]).out;
    assert_eq!(last.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["role"], "imap");

    logs_follow(&service);
    service.down();
    let ran = service.run(&["status", "--json"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["up"], false);
}

/// They stood role after role, as JSON on a terminal too.
fn logs_are_one(service: &Service, all: &str) {
    let times = all.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line.split_once(" | ")?.1).ok()?;
        let time = line.get("time").or(line.get("timestamp"))?.as_str()?;
        Some(time.trim_end_matches('Z').to_owned())
    });
    let times: Vec<_> = times.collect();
    assert!(times.len() > ROLES.len() && times.is_sorted(), "{all}");
    let on_terminal = |words: &[&str]| Terminal::run(&service.case, service.berth(words)).ended().1;
    let shown = on_terminal(&["logs"]);
    for says in [" info  mx: ready ", " info  imap: ready "] {
        assert!(shown.lines().any(|line| line.starts_with("20") && line.contains(says)), "{shown}");
    }
    let shown = on_terminal(&["logs", "imap", "-n", "1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["role"], "imap");
}

/// `berth logs -f` shows what is written from now on, until somebody ends it.
fn logs_follow(service: &Service) {
    let shown = File::create(service.case.path("shown")).unwrap();
    let mut logs = service.berth(&["logs", "mx", "-f", "-n", "0"]).stdout(shown).spawn().unwrap();
    // Asked for again until it is seen: nothing tells from outside since when the log is followed.
    wait_until("a restart is seen in the log", || {
        service.done(&["restart", "mx"]);
        service.case.read("shown").contains("\"message\":\"drained\"").then_some(())
    });
    logs.kill().unwrap();
    logs.wait().unwrap();
}

/// `--only` brings what the named roles need as well, and takes the others down.
#[test]
fn fewer_roles_are_wanted_and_then_all_again() {
    let service = Service::new();
    service.done(&["up", "--detach", "--only", "imap"]);
    let names = || {
        let status = service.status();
        let roles = status["roles"].as_array().unwrap();
        roles.iter().map(|role| role["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(), ["sqlite", "imap"]);
    let before = service.process("imap", "init");
    service.bring_up_with(&["imap", "mx"]);
    assert_eq!(names(), ["sqlite", "imap", "mx"]);
    assert_eq!(service.process("imap", "init"), before);
    let mx = service.process("mx", "init");
    service.bring_up_with(&["sqlite"]);
    assert!(!before.lives() && !mx.lives());
    assert_eq!(names(), ["sqlite"]);
    service.down();
}
