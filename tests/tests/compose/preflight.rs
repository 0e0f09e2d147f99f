//! What the engine and its host have to have is judged before anything is made, and all of it is told at once.

use std::net::TcpListener;

use berth_tests::Ran;
use serde_json::json;

use crate::pretend::{Pretend, UP};

/// Refused, with nothing made and nothing changed.
fn refused(pretend: &Pretend, ran: &Ran) {
    assert_eq!((ran.code, ran.out.as_str()), (Some(69), ""), "{ran:#?}");
    assert!(ran.err.contains("error: the preflight refuses to go on"), "{}", ran.err);
    assert!(!pretend.state("").exists(), "a refusal makes no state folder");
    assert_eq!(pretend.changes(), Vec::<String>::new());
}

#[test]
fn a_host_without_docker_is_told_where_to_get_it() {
    let pretend = Pretend::new();
    let ran = Ran::run(pretend.berth(&UP).env("PATH", pretend.case.path("nothing")));
    refused(&pretend, &ran);
    assert!(ran.err.contains("REFUSED  engine  there is no program docker on PATH"), "{}", ran.err);
}

#[test]
fn an_engine_that_does_not_answer_is_told_in_its_own_words() {
    let pretend = Pretend::new();
    pretend.answers("version.json", &json!({"Client": {}, "Server": null}));
    pretend.says("version.fails", "Cannot connect to the Docker daemon at unix:///run/docker.sock.\n");
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    let expected = "unix:///run/docker.sock: Cannot connect to the Docker daemon at unix:///run/docker.sock.";
    assert!(ran.err.contains(expected) && ran.err.contains("hint: is it running?"), "{}", ran.err);
}

#[test]
fn an_old_engine_and_an_old_compose_are_refused_in_one_go() {
    let pretend = Pretend::new();
    pretend.answers("version.json", &json!({"Server": {"Version": "24.0.9", "ApiVersion": "1.43"}}));
    pretend.says("compose-version", "2.26.1\n");
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    assert!(
        ran.err.contains("REFUSED  engine   Docker 24.0.9 at unix:///run/docker.sock is too old"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("REFUSED  compose  Compose 2.26.1 is too old"), "{}", ran.err);
}

#[test]
fn an_engine_on_another_host_is_refused_because_of_what_containers_mount() {
    let pretend = Pretend::new();
    let context = json!([{"Name": "mail", "Endpoints": {"docker": {"Host": "ssh://root@mail.test"}}}]);
    pretend.answers("context.json", &context);
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    let expected =
        "the engine at ssh://root@mail.test (context mail) is on another host, and containers there mount";
    assert!(ran.err.contains(expected), "{}", ran.err);
}

#[test]
fn taken_ports_and_too_little_memory_are_told_in_one_go() {
    let pretend = Pretend::new();
    let _held = TcpListener::bind(("127.0.0.1", pretend.port)).unwrap();
    let mut config = pretend.config();
    let other = json!({"target": 8443, "published": "443", "host_ip": "127.0.0.9", "protocol": "tcp"});
    config["services"]["front"]["ports"] = json!([other]);
    config["services"]["sqlite"]["mem_limit"] = json!("9000000000000");
    config["services"]["mongodb"]["mem_limit"] = json!("9000000000000");
    pretend.answers("config.json", &config);
    pretend.says("publishers", "caddy\tsites\t127.0.0.9:443->443/tcp\n");
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    let pid = std::process::id();
    let port = pretend.port;
    assert!(ran.err.contains(&format!("{port}, of imap, is held by process {pid} (")), "{}", ran.err);
    assert!(ran.err.contains("443, of front, is held by container caddy"), "{}", ran.err);
    assert!(ran.err.contains("hint: leave out mongodb (9000.0 GB): "), "{}", ran.err);
    assert!(ran.err.contains("for 3 reasons above"), "{}", ran.err);
}

/// It offered 4000, whoever held a port there.
#[test]
fn the_offset_that_is_offered_is_one_at_which_nobody_holds_a_port() {
    let pretend = Pretend::new();
    let _held = TcpListener::bind(("127.0.0.1", pretend.port)).unwrap();
    pretend.case.write("state/compose/.env", &format!("BERTH_PORT_IMAPS={}\n", pretend.port));
    pretend.says("publishers", "other-smtp-1\tother\t0.0.0.0:4465->2465/tcp, [::]:4465->2465/tcp\n");
    let ran = pretend.run(&UP);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    let hint = ran.err.lines().find(|line| line.contains("hint: stop what holds it")).unwrap();
    assert!(hint.ends_with("; or choose others in .env: BERTH_PORT_IMAPS"), "{hint}");
    let offset = hint.split_once("--port-offset ").unwrap().1.split_once(';').unwrap().0;
    let offset: u32 = offset.parse().unwrap();
    assert!(offset.is_multiple_of(4000) && offset != 4000, "{hint}");
}

#[test]
fn a_port_of_our_own_containers_is_no_hindrance() {
    let pretend = Pretend::new();
    let _held = TcpListener::bind(("127.0.0.1", pretend.port)).unwrap();
    pretend.says("publishers", &format!("berth-imap-1\tberth\t127.0.0.1:{}->2993/tcp\n", pretend.port));
    pretend.up();
}

#[test]
fn volumes_of_an_earlier_installation_are_not_taken_over() {
    let pretend = Pretend::new();
    pretend.says("volumes", "berth_mailboxes\nberth_mongodb\n");
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    assert!(ran.err.contains("not in this state folder: berth_mailboxes, berth_mongodb"), "{}", ran.err);
    pretend.says("volumes", "");
    pretend.up();
    pretend.says("volumes", "berth_mailboxes\nberth_mongodb\n");
    pretend.done(&["up", "--no-prove"]);
}

#[test]
fn the_project_of_another_folder_is_left_alone() {
    let pretend = Pretend::new();
    let mut other = crate::pretend::container("imap", "healthy");
    other["Config"]["Labels"]["com.docker.compose.project.working_dir"] = json!("/srv/other/compose");
    pretend.runs(&[other]);
    let ran = pretend.run(&UP);
    refused(&pretend, &ran);
    assert!(ran.err.contains("a project berth is there already, made in /srv/other/compose"), "{}", ran.err);
}
