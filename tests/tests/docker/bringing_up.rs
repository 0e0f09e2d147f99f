//! What `berth up --engine compose` comes to.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Instant;

use berth_tests::{Ran, tell, wait_until_within};
use nix::libc::SIGINT;
use serde_json::Value;

use crate::installation::{Installation, ROLES, START, STORES, image};
use crate::stack::stack;

#[test]
fn every_service_is_healthy_on_a_document_store_and_redis_and_a_mail_goes_through() {
    let Some(stack) = stack() else { return };
    for service in STORES.iter().chain(&ROLES).chain(&["front"]) {
        let state = stack.inspect(service)["State"].clone();
        assert_eq!(state["Health"]["Status"], "healthy", "{service}: {state:#}");
    }
    let proof = stack.done(&["prove"]).out;
    assert!(proof.contains("proven: a mail goes through"), "{proof}");
    tell(&format!("in containers, on FerretDB and Redis, through the front:\n{proof}"));
    // On the document store, and not on files.
    let listed = stack.exec("sqlite", &["ls", "-A", "/mnt", "/mnt/data"]).out;
    assert!(!listed.contains("accounts.sqlite") && !listed.contains("queue.sqlite"), "{listed}");
}

#[test]
fn a_second_up_changes_nothing() {
    let Some(stack) = stack() else { return };
    let containers = || -> BTreeMap<String, (Value, Value, Value)> {
        let all = STORES.iter().chain(&ROLES).chain(&["front"]);
        let seen = all.map(|service| {
            let seen = stack.inspect(service);
            let state =
                (seen["Id"].clone(), seen["State"]["StartedAt"].clone(), seen["RestartCount"].clone());
            ((*service).to_owned(), state)
        });
        seen.collect()
    };
    let before = containers();
    let begun = Instant::now();
    let again = stack.done(&["up", "--detach"]);
    assert!(again.err.contains("nothing had to be done"), "{}", again.err);
    tell(&format!("a second up, with nothing to do: {:.1} s", begun.elapsed().as_secs_f32()));
    assert_eq!(containers(), before);
}

#[test]
fn a_restart_in_place_leaves_the_container() {
    let Some(stack) = stack() else { return };
    let (before, program) = (stack.inspect("imap"), stack.main("imap"));
    let status = || -> Value {
        let status: Value = serde_json::from_str(&stack.run(&["status", "--json"]).out).unwrap();
        let mut roles = status["roles"].as_array().unwrap().iter();
        roles.find(|role| role["role"] == "imap").unwrap().clone()
    };
    let restarts = status()["restarts"].as_u64().unwrap();
    let begun = Instant::now();
    let ran = stack.done(&["restart", "imap"]);
    let took = begun.elapsed().as_secs_f32();
    assert_ne!(stack.main("imap"), program);
    let after = stack.inspect("imap");
    assert_eq!(
        [&after["Id"], &after["State"]["Pid"], &after["RestartCount"]],
        [&before["Id"], &before["State"]["Pid"], &before["RestartCount"]]
    );
    // Docker does not count it.
    let status = status();
    assert_eq!(status["restarts"], restarts + 1, "{status:#}");
    let start = status["ready_after_ms"].as_u64().unwrap_or_else(|| panic!("{status:#}"));
    tell(&format!("berth restart imap: {took:.1} s, of which its start {start} ms; {}", ran.err.trim()));
    assert!(stack.done(&["logs", "imap", "-n", "50"]).out.contains("\"message\":\"ready\""));
}

#[test]
fn an_interrupted_up_leaves_its_containers_to_the_engine() {
    let Some(mail) = Installation::new() else { return };
    let mut up = mail.up(&image(), &["--overlay", "sample,ferretdb", "--no-prove", "--only", "smtp"]);
    let up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_within(START, "something runs", || {
        let name = mail.container("redis");
        mail.engine
            .run(&["inspect", "--format", "{{.State.Running}}", &name])
            .out
            .contains("true")
            .then_some(())
    });
    mail.engine.case.process("berth", "up").signal(SIGINT).unwrap();
    let ran = Ran::of(&up.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(ran.err.contains("what was started goes on in Docker"), "{}", ran.err);
    assert_eq!(mail.inspect("redis")["State"]["Running"], true);
    mail.done(&["up", "--detach", "--no-prove", "--only", "smtp"]);
    mail.becomes("smtp", "healthy");
}
