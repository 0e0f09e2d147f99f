//! What is asked of a role in its container, and what is read of it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use berth_tests::wait_until;
use nix::libc::SIGINT;
use serde_json::{Value, json};

use crate::pretend::{Pretend, SERVICES, container};

#[test]
fn a_role_is_started_again_by_its_init_and_waited_for() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let ran = pretend.done(&["restart", "imap"]);
    assert!(ran.err.starts_with("imap is ready again after "), "{}", ran.err);
    let changes = pretend.changes();
    assert!(
        changes.contains(&"docker compose exec --no-TTY imap berth-init restart".to_owned()),
        "{changes:?}"
    );
    assert_eq!(changes.last().unwrap(), "docker compose exec --no-TTY imap berth-init health");
    assert!(!changes.iter().any(|change| change.contains("kill")), "{changes:?}");
}

#[test]
fn one_that_refuses_says_why() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("exec.fails", "imap is waiting: nothing to restart\n");
    let ran = pretend.run(&["restart", "imap"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.err.contains("error: imap does not do it: imap is waiting: nothing to restart"),
        "{}",
        ran.err
    );
    assert_eq!(pretend.run(&["restart", "pop3"]).code, Some(69), "it is not wanted");
}

#[test]
fn changed_certificates_are_read_by_restarts_in_place_and_nothing_is_made_anew() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    // Of another name, so that ours is made again.
    let env = pretend.case.read("state/compose/.env") + "REVERSE_NAME=post.example.test\n";
    pretend.case.write("state/compose/.env", &env.replace("\n# REVERSE_NAME=", "\n# was REVERSE_NAME="));
    let ran = pretend.done(&["up", "--no-prove"]);
    let changes = pretend.changes();
    let restarts: Vec<_> = changes.iter().filter(|change| change.ends_with("berth-init restart")).collect();
    assert_eq!(restarts.len(), 2, "sqlite and imap: {changes:?}");
    assert!(!changes.iter().any(|change| change.contains("compose up")), "{changes:?}");
    assert!(ran.err.contains("imap reads changed files: started again, ready after "), "{}", ran.err);
    pretend.done(&["up", "--no-prove"]);
    assert_eq!(pretend.changes(), Vec::<String>::new(), "they have read them");
}

#[test]
fn the_status_tells_health_reasons_and_restarts() {
    let pretend = Pretend::new();
    pretend.up();
    let mut now = SERVICES.map(|name| container(name, "healthy"));
    now[2] = container("imap", "unhealthy");
    now[2]["RestartCount"] = json!(3);
    now[3]["State"]["Status"] = json!("exited");
    pretend.runs(&now);
    let ran = pretend.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.out.contains("  imap: said by its check\n"), "{}", ran.out);
    let ran = pretend.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!([&status["up"], &status["ready"]], [&json!(true), &json!(false)]);
    let told: Vec<_> =
        status["roles"].as_array().unwrap().iter().map(|role| [&role["role"], &role["state"]]).collect();
    assert_eq!(told[0], ["mongodb", "healthy"]);
    assert_eq!(told[2], ["imap", "unhealthy"]);
    assert_eq!(told[3], ["front", "ended"]);
    let imap = &status["roles"][2];
    assert_eq!(
        [&imap["restarts"], &imap["health"], &imap["image"]],
        [&json!(3), &json!("said by its check"), &json!("mail:1")]
    );
    assert_eq!(imap["memory_limit"], 268_435_456);
    assert_eq!(imap["ports"][0]["number"], pretend.port);
}

/// They are listed among the roles.
#[test]
fn what_is_no_role_is_told_with_what_docker_does_for_it() {
    let pretend = Pretend::new();
    let mut config = pretend.config();
    let https = json!({"target": 8443, "published": "28443", "host_ip": "127.0.0.9", "protocol": "tcp"});
    config["services"]["front"]["ports"] = json!([https]);
    pretend.answers("config.json", &config);
    pretend.done(&["up", "--engine", "compose", "--image", "mail:1", "--no-prove", "--port-offset", "28000"]);
    let place = pretend.state("compose");
    for (name, command) in [
        ("front", "docker compose exec front nginx -s reload"),
        ("mongodb", "docker compose restart mongodb"),
    ] {
        let ran = pretend.run(&["restart", name]);
        assert_eq!(ran.code, Some(64), "{ran:#?}");
        let expected = format!(
            "error: {name} is no role, and has no berth-init that restarts it\n\nhint: {command}, in {}\n",
            place.display()
        );
        assert_eq!(ran.err, expected);
    }
    assert!(pretend.run(&["restart", "imapp"]).err.contains("did you mean imap?"));
}

/// The docker client is in a process group of its own, where no Ctrl-C of a terminal reaches it.
#[test]
fn who_has_followed_long_enough_leaves_no_client_behind() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("logs", "imap-1  | a line\n");
    let mut logs = pretend.berth(&["logs", "-f"]);
    let mut logs = logs.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(logs.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "imap    | a line\n");
    pretend.case.process("berth", "logs").signal(SIGINT).unwrap();
    assert_eq!(wait_until("it ends", || logs.try_wait().unwrap()).code(), Some(0));
    wait_until("no client is left", || pretend.case.processes().is_empty().then_some(()));
}

#[test]
fn logs_are_told_by_service_in_their_order() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("logs", "imap-1     | second\nmongodb-1  | of a store\nsqlite-1   | first | with a bar\n");
    let ran = pretend.done(&["logs"]);
    let expected = "imap    | second\nsqlite  | first | with a bar\nmongodb | of a store\n";
    assert_eq!(ran.out, expected);
    let ran = pretend.done(&["logs", "mongodb"]);
    assert_eq!(ran.out, "of a store\n");
    assert_eq!(pretend.run(&["logs", "imapp"]).code, Some(64));
    assert_eq!(pretend.run(&["logs", "pop3"]).code, Some(69));
}
