//! `berth up --engine compose` writes what containers need, has Compose bring them up, and tells what fails and why.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use berth_tests::{Ran, wait_until};
use nix::libc::SIGINT;
use serde_json::json;

use crate::pretend::{Pretend, SERVICES, UP, container, image};

const DOCKER_UP: &str = "docker compose up --detach --no-build --quiet-pull --remove-orphans";

#[test]
fn files_secrets_and_certificates_are_written_for_those_who_are_to_read_them() {
    let pretend = Pretend::new();
    let ran = pretend.up();
    assert_eq!(pretend.changes(), [DOCKER_UP]);
    let mode = |inside: &str| pretend.state(inside).metadata().unwrap().permissions().mode() & 0o777;
    for (inside, expected) in [
        ("", 0o700),
        ("compose", 0o700),
        ("compose/secrets", 0o700),
        ("compose/secrets/HELPER_ENCRYPTION_KEY", 0o444),
        ("compose/secrets/MONGO_URI", 0o444),
        ("compose/certificates", 0o755),
        ("compose/certificates/privkey.pem", 0o444),
        ("compose/compose.yaml", 0o644),
        ("compose/front/nginx.conf", 0o644),
        ("compose/acme", 0o755),
        ("settings.env", 0o600),
        ("tls/ca.key", 0o600),
    ] {
        assert_eq!(mode(inside), expected, "{inside}");
    }
    assert!(!pretend.state("compose/certificates/ca.key").exists());
    let env = pretend.case.read("state/compose/.env");
    for line in [
        "COMPOSE_PROJECT_NAME=berth",
        "COMPOSE_FILE=compose.yaml",
        "DOMAIN=example.test",
        "BERTH_IMAGE=mail:1",
    ] {
        assert!(env.lines().any(|other| other == line), "{line}: {env}");
    }
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../compose/compose.yaml");
    assert_eq!(pretend.case.read("state/compose/compose.yaml"), fs_err::read_to_string(repository).unwrap());
    assert!(ran.out.contains("imap") && ran.out.contains(&pretend.port.to_string()), "{}", ran.out);
    for name in SERVICES {
        assert!(ran.err.contains(&format!("{name} is started\n")), "{}", ran.err);
    }
    assert!(ran.err.contains("it goes on running in Docker; berth status"), "{}", ran.err);
}

#[test]
fn a_second_up_writes_and_changes_nothing_and_keeps_what_its_owner_set() {
    let pretend = Pretend::new();
    pretend.up();
    let env = pretend
        .case
        .read("state/compose/.env")
        .replace("# BERTH_MEMORY_IMAP=", "BERTH_MEMORY_IMAP=3g # was ");
    let env = env.replace("BERTH_MEMORY_IMAP=3g # was 1g", "BERTH_MEMORY_IMAP=3g");
    pretend.case.write("state/compose/.env", &(env + "MINE=1\n"));
    pretend.done(&["up", "--no-prove"]);
    pretend.changes();
    let written = |inside: &str| {
        let path = pretend.state(inside);
        (fs_err::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap())
    };
    let files = [
        "compose/.env",
        "compose/secrets/REDIS_PASSWORD",
        "compose/certificates/fullchain.pem",
        "settings.env",
    ];
    let before = files.map(written);
    let ran = pretend.done(&["up"]);
    assert_eq!(files.map(written), before);
    assert_eq!(pretend.changes(), Vec::<String>::new());
    assert!(ran.err.contains("nothing had to be done"), "{}", ran.err);
    let env = pretend.case.read("state/compose/.env");
    assert!(env.contains("\nMINE=1\n") && env.contains("\nBERTH_MEMORY_IMAP=3g"), "{env}");
}

#[test]
fn one_that_dies_is_told_with_its_last_lines_and_what_its_check_said() {
    let pretend = Pretend::new();
    let mut dead = SERVICES.map(|name| container(name, "healthy"));
    dead[2]["RestartCount"] = json!(2);
    dead[2]["State"]["Status"] = json!("restarting");
    dead[2]["State"]["ExitCode"] = json!(78);
    pretend.will_run(&dead);
    pretend.says("logs", "imap-1  | SSL_KEY is missing\nimap-1  | end\n");
    let event = json!({"Action": "die", "Actor": {"ID": "imap-id", "Attributes": {"exitCode": "78"}}});
    pretend.says("events", &format!("{event}\n{event}\n"));
    let ran = pretend.run(&UP);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("the last lines of imap:\n  | SSL_KEY is missing\n  | end\n"), "{}", ran.err);
    assert!(ran.err.contains("what its last health check said:\n  | said by its check\n"), "{}", ran.err);
    assert!(ran.err.contains("error: imap ended with code 78"), "{}", ran.err);
    assert!(ran.err.contains("hint: its whole log: berth logs imap -n 100\n"), "{}", ran.err);
    assert!(ran.err.contains("what was started goes on in Docker; "), "{}", ran.err);
}

#[test]
fn when_compose_gives_up_the_unhealthy_one_is_named_with_its_reason() {
    let pretend = Pretend::new();
    let mut ill = SERVICES.map(|name| container(name, "healthy"));
    ill[1] = container("sqlite", "unhealthy");
    ill[2]["State"]["Status"] = json!("created");
    pretend.will_run(&ill);
    pretend.says("up.fails", "dependency failed to start: container berth-sqlite-1 is unhealthy\n");
    let ran = pretend.run(&UP);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("sqlite is unhealthy: said by its check\n"), "{}", ran.err);
    assert!(ran.err.contains("error: sqlite is unhealthy\n"), "{}", ran.err);
}

#[test]
fn when_compose_fails_for_another_reason_its_own_words_are_told() {
    let pretend = Pretend::new();
    pretend.says(
        "up.fails",
        "Error response from daemon: driver failed: Bind for 0.0.0.0:993 failed: port is already allocated\n",
    );
    let ran = pretend.run(&UP);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.err.contains(&format!("error: {DOCKER_UP} failed\n  cause: Error response")), "{}", ran.err);
    assert!(ran.err.contains("hint: stop what holds the port; or run berth up again"), "{}", ran.err);
}

#[test]
fn an_image_that_cannot_be_fetched_leaves_everything_as_it_was() {
    let pretend = Pretend::new();
    pretend.up();
    let env = pretend.case.read("state/compose/.env");
    pretend.changes();
    pretend.says("images.fails", "Error response from daemon: No such image: mail:2\n");
    pretend.says("pull.fails", "Error response from daemon: no such host\n");
    let mut config = pretend.config();
    config["services"]["imap"]["image"] = json!("mail:2");
    pretend.answers("config.json", &config);
    let ran = pretend.run(&["up", "--only", "imap", "--image", "mail:2", "--no-prove"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(pretend.changes(), ["docker pull mail:2"]);
    assert!(
        ran.err.contains("no such host\nnothing was changed\nerror: docker pull mail:2 failed"),
        "{}",
        ran.err
    );
    assert_eq!(pretend.case.read("state/compose/.env"), env);
}

/// It said that nothing was changed, beside a new state folder with secrets and certificates in it.
#[test]
fn a_first_up_that_ends_before_there_is_a_container_says_what_it_has_made() {
    let pretend = Pretend::new();
    pretend.answers("images.json", &json!([image("sha256:1", &["mail:1", "front:1"])]));
    pretend.says("images.fails", "Error response from daemon: No such image: store:1\n");
    pretend.says("pull.fails", "Error response from daemon: no such host\n");
    let ran = pretend.run(&UP);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.err.contains("no container was made; the state folder "), "{}", ran.err);
    assert!(!ran.err.contains("nothing was changed"), "{}", ran.err);
    assert!(pretend.state("compose/secrets").exists());
    let ran = pretend.run(&UP);
    assert!(ran.err.contains("no container was changed\n"), "{}", ran.err);
}

/// The error named a temporary folder, which was gone by then.
#[test]
fn a_value_that_compose_does_not_take_is_told_with_the_file_and_line_that_its_owner_wrote() {
    let pretend = Pretend::new();
    pretend.up();
    let env = pretend.case.read("state/compose/.env");
    let env = format!("# a remark of mine\n\n{env}BERTH_MEMORY_IMAP=lots\n");
    pretend.case.write("state/compose/.env", &env);
    let line = env.lines().count();
    let place = pretend.state("compose");
    let place = place.to_str().unwrap();
    pretend.says("config.fails", "'services[imap].mem_limit' invalid size: 'lots'\n");
    let ran = pretend.run(&["up", "--no-prove"]);
    let expected = format!(
        "error: Docker Compose does not take what is set in {place}/.env\n  \
           cause: 'services[imap].mem_limit' invalid size: 'lots'\n\n\
         hint: correct BERTH_MEMORY_IMAP in line {line} there\n"
    );
    assert_eq!((ran.code, ran.err.as_str()), (Some(78), expected.as_str()));

    // Compose counts the lines of a draft, in which there are no remarks of others.
    pretend.case.write("state/compose/.env", &env.replace("BERTH_MEMORY_IMAP=lots", "MINE='unterminated"));
    pretend.says("config.fails.by-line", "MINE");
    pretend.says("config.fails", "failed to read @ENV@: line @LINE@: unterminated quoted value\n");
    let ran = pretend.run(&["up", "--no-prove"]);
    let cause = format!("cause: failed to read {place}/.env: line {line}: unterminated quoted value\n");
    assert!(ran.code == Some(78) && ran.err.contains(&cause), "{}", ran.err);

    // What is no fault of that file is told as Compose told it.
    pretend.says("config.fails", "yaml: line 3: mapping values are not allowed in this context\n");
    let ran = pretend.run(&["up", "--no-prove"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let command =
        format!(" --env-file {place}/.env --file {place}/compose.yaml config --format json failed\n");
    assert!(ran.err.contains(&command), "{}", ran.err);
}

#[test]
fn one_role_alone_gets_another_image_and_the_way_back_is_told_when_it_fails() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let mut config = pretend.config();
    config["services"]["imap"]["image"] = json!("mail:2");
    pretend.answers("config.json", &config);
    let both = json!([image("sha256:1", &["mail:1", "store:1", "front:1"]), image("sha256:2", &["mail:2"])]);
    pretend.answers("images.json", &both);
    let mut others = SERVICES.map(|name| container(name, "healthy"));
    others[1] = container("sqlite", "unhealthy");
    others[2]["Id"] = json!("another-id");
    others[2]["Image"] = json!("sha256:2");
    pretend.will_run(&others);
    let ran = pretend.done(&["up", "--only", "imap", "--image", "mail:2", "--no-prove"]);
    assert_eq!(pretend.changes(), ["docker compose up --detach --no-build --quiet-pull --no-deps imap"]);
    assert!(
        ran.err.contains("imap is started anew, with another configuration, another image\n"),
        "{}",
        ran.err
    );
    assert!(pretend.case.read("state/compose/.env").contains("\nBERTH_IMAGE_IMAP=mail:2\n"));

    let mut dead = others.clone();
    dead[2]["Id"] = json!("third-id");
    dead[2]["State"]["Status"] = json!("exited");
    pretend.will_run(&dead);
    pretend.answers("config.json", &pretend.config());
    let ran = pretend.run(&["up", "--only", "imap", "--image", "mail:1", "--no-prove"]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    let back = "imap had another image before; back to it: berth up --only imap --image mail:2\n";
    assert!(ran.err.contains(back), "{}", ran.err);
    assert!(
        pretend.case.read("state/compose/.env").contains("\n# BERTH_IMAGE_IMAP="),
        "it is of the same image again"
    );
}

/// The one that crashed again while it was being replaced was taken for the one in its place.
#[test]
fn one_that_goes_on_crashing_until_it_is_replaced_is_no_failure() {
    let pretend = Pretend::new();
    pretend.up();
    let mut crashing = SERVICES.map(|name| container(name, "healthy"));
    crashing[2]["State"]["Status"] = json!("restarting");
    crashing[2]["RestartCount"] = json!(7);
    crashing[2]["Image"] = json!("sha256:9");
    pretend.runs(&crashing);
    // Once more, before Compose comes to it.
    crashing[2]["RestartCount"] = json!(8);
    pretend.says("containers-first.json", &pretend.of_long_ago(&crashing));
    let mut well = SERVICES.map(|name| container(name, "healthy"));
    well[2]["Id"] = json!("another-id");
    pretend.will_run(&well);
    let ran = pretend.done(&["up", "--no-prove"]);
    assert!(ran.err.contains("imap is started anew, with another image\n"), "{}", ran.err);
}

#[test]
fn an_interrupted_up_says_what_goes_on_and_leaves_no_client_behind() {
    let pretend = Pretend::new();
    pretend.says("up-lasts", "");
    pretend.will_run(&SERVICES.map(|name| container(name, "starting")));
    let mut up = pretend.berth(&UP);
    let up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("Compose is at it", || {
        pretend.case.read("docker/asked").contains("compose up ").then_some(())
    });
    wait_until("something runs", || pretend.case.path("docker/containers.json").exists().then_some(()));
    pretend.case.process("berth", "up").signal(SIGINT).unwrap();
    let ran = Ran::of(&up.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(ran.err.contains("what was started goes on in Docker; "), "{}", ran.err);
    assert!(!pretend.changes().iter().any(|change| change.contains(" down ")));
    wait_until("no client is left", || pretend.case.processes().is_empty().then_some(()));
}

#[test]
fn once_takes_down_what_failed_too() {
    let pretend = Pretend::new();
    pretend.says("up.fails", "dependency failed to start\n");
    let ran = pretend.run(&[&UP[..], &["--once"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(pretend.changes(), [DOCKER_UP, "docker compose down --remove-orphans"]);
    assert!(ran.err.contains("dependency failed to start"), "{}", ran.err);
}
