//! What is asked of a role in its container, and what is read of it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use berth_tests::{Process, wait_until};
use nix::libc::SIGINT;
use serde_json::{Value, json};

use crate::pretend::{Pretend, SERVICES, UP, container};

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

/// Docker knows nothing of a restart in place: RESTARTS stayed 0, and READY AFTER was forgotten.
#[test]
fn the_status_counts_what_the_init_in_a_container_did_with_what_docker_did() {
    let pretend = Pretend::new();
    pretend.up();
    let mut now = SERVICES.map(|name| container(name, "healthy"));
    now[2]["RestartCount"] = json!(3);
    // More answers have been given than are kept.
    let answer = json!({"End": "@NOW@", "ExitCode": 0, "Output": "well"});
    now[2]["State"]["Health"]["Log"] = json!([answer, answer, answer, answer, answer]);
    pretend.runs(&now);
    pretend.done(&["restart", "imap"]);
    pretend.says("asked", "compose exec --no-TTY imap berth-init restart\n");
    let status: Value = serde_json::from_str(&pretend.done(&["status", "--json"]).out).unwrap();
    let imap = &status["roles"][2];
    assert_eq!([&imap["restarts"], &imap["ready_after_ms"]], [&json!(4), &json!(1)], "{imap:#}");
    assert_eq!(status["roles"][0]["restarts"], 0, "a store has no init that could be asked");
    let asked = pretend.case.read("docker/asked");
    let asked: Vec<_> = asked.lines().filter(|line| line.starts_with("exec ")).collect();
    assert_eq!(asked.len(), 2, "the two roles, once each: {asked:?}");
    assert!(asked.contains(&"exec imap-id berth-init status --json"), "{asked:?}");
}

/// It showed that a store had ended, and left the reader to guess that it was the reason, and what to do.
#[test]
fn what_does_not_run_is_named_with_the_command_that_starts_it() {
    let pretend = Pretend::new();
    pretend.up();
    let mut now = SERVICES.map(|name| container(name, "healthy"));
    now[0]["State"]["Status"] = json!("exited");
    now[2] = container("imap", "unhealthy");
    pretend.runs(&now);
    let ran = pretend.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.out.ends_with("\n  mongodb does not run; start it again: berth up\n"), "{}", ran.out);
    now[0]["State"]["Status"] = json!("running");
    pretend.runs(&now);
    let ran = pretend.run(&["status"]);
    let remedy = "\n  if it stays so, start the program of imap again: berth restart imap\n";
    assert!(ran.out.ends_with(remedy), "{}", ran.out);
}

/// It ended with 1.
#[test]
fn a_restart_that_is_not_waited_for_ends_as_what_was_interrupted() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("health.fails", "not yet\n");
    let talk = File::create(pretend.case.path("talk")).unwrap();
    let mut restart = pretend.berth(&["restart", "imap"]).stderr(talk).spawn().unwrap();
    wait_until("it is asked", || {
        pretend.case.read("docker/asked").contains("berth-init health").then_some(())
    });
    Process::of(&restart).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || restart.try_wait().unwrap());
    let talk = pretend.case.read("talk");
    assert_eq!(ended.code(), Some(130), "{talk}");
    assert!(talk.ends_with("not waited for any longer: imap goes on; berth status\n"), "{talk}");
}

/// The documents said so, and it was in `--json` alone.
#[test]
fn what_a_role_waits_for_is_shown() {
    let pretend = Pretend::new();
    pretend.up();
    let mut now = SERVICES.map(|name| container(name, "healthy"));
    now[1] = container("sqlite", "starting");
    now[2]["State"] = json!({"Status": "created", "ExitCode": 0, "Pid": 0,
                             "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"});
    pretend.runs(&now);
    let ran = pretend.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.out.contains("\n  imap: waits for sqlite\n"), "{}", ran.out);
}

/// It took 32 s of steps that could not succeed.
#[test]
fn a_proof_says_at_once_what_does_not_run() {
    let pretend = Pretend::new();
    pretend.up();
    let mut now = SERVICES.map(|name| container(name, "healthy"));
    now[1]["State"]["Status"] = json!("exited");
    pretend.runs(&now);
    for words in [&["prove"][..], &["prove", "--json"], &["prove", "--latency", "3"]] {
        let ran = pretend.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{ran:#?}");
        let expected = "error: nothing can be proved: sqlite is ended (ended with code 0)\n\n\
                        hint: sqlite does not run; start it again: berth up\n";
        assert_eq!(ran.err, expected);
    }
    // What may have got well since is judged by the proof.
    now[1] = container("sqlite", "unhealthy");
    pretend.runs(&now);
    let ran = pretend.run(&["prove"]);
    let notice = "sqlite is unhealthy (said by its check); if it stays so, start the program of sqlite again: \
                  berth restart sqlite\n";
    assert_eq!(ran.err, notice);
    assert_eq!(ran.code, Some(1), "nobody listens there: {ran:#?}");
}

/// They are listed among the roles.
#[test]
fn what_is_no_role_is_told_with_what_docker_does_for_it() {
    let pretend = Pretend::new();
    let mut config = pretend.config();
    let https = json!({"target": 8443, "published": "28443", "host_ip": "127.0.0.9", "protocol": "tcp"});
    config["services"]["front"]["ports"] = json!([https]);
    pretend.answers("config.json", &config);
    pretend.done(&[&UP[..], &["--port-offset", "28000"]].concat());
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
    let ran = pretend.run(&["logs", "pop3"]);
    let expected = "error: there is no log of pop3\n  cause: pop3 is not among what is up here\n\n\
                    hint: what is up: berth status\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(69), expected));
}

/// Of a role it said that it had never run, and without one it said nothing at all.
#[test]
fn logs_that_went_with_their_containers_are_told_as_gone() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.done(&["down"]);
    for (words, of) in
        [(&["logs", "imap"][..], " of imap"), (&["logs", "front"], " of front"), (&["logs"], "")]
    {
        let ran = pretend.run(words);
        let expected = format!(
            "error: there is no log{of}\n  cause: nothing is up here; what was is removed, and its log with it\n\n\
             hint: bring it up: berth up\n"
        );
        assert_eq!((ran.code, ran.out.as_str(), ran.err), (Some(69), "", expected), "{words:?}");
    }
    pretend.done(&["up", "--no-prove"]);
    pretend.runs(&[container("sqlite", "healthy")]);
    let ran = pretend.run(&["logs", "imap"]);
    assert!(ran.code == Some(69) && ran.err.contains("cause: its container is removed"), "{ran:#?}");
}
