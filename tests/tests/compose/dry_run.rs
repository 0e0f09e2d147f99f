//! `--dry-run` prints the commands that a person could type, in their order, and changes nothing.

use berth_tests::{Ran, wait_until};
use serde_json::json;
use snapbox::{Data, assert_data_eq};

use crate::pretend::{Pretend, SERVICES, UP, container, image};

const DRY: [&str; 6] = ["up", "--engine", "compose", "--image", "mail:1", "--dry-run"];

fn golden(name: &str) -> Data {
    let path = format!("{}/tests/compose/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    Data::read_from(std::path::Path::new(&path), None)
}

/// With the state folder as `[STATE]`.
fn steady(pretend: &Pretend, text: &str) -> String {
    text.replace(pretend.state("").to_str().unwrap().trim_end_matches('/'), "[STATE]")
}

#[test]
fn a_first_time_prints_what_it_would_run_and_makes_nothing() {
    let pretend = Pretend::new();
    pretend.answers("images.json", &json!([{"Id": "sha256:1", "RepoTags": ["front:1"]}]));
    pretend.says("images.fails", "Error response from daemon: No such image: mail:1\n");
    let ran = pretend.done(&DRY);
    assert_data_eq!(steady(&pretend, &ran.out), golden("first.stdout"));
    assert!(
        ran.err.contains("  ok       engine   Docker 28.5.2 at unix:///run/docker.sock\n"),
        "{}",
        ran.err
    );
    assert_eq!(pretend.changes(), Vec::<String>::new());
    assert!(!pretend.state("").exists());
}

/// The path was as it was typed, and the folder of no other directory.
#[test]
fn a_folder_that_is_not_there_yet_is_called_as_a_real_run_calls_it() {
    let pretend = Pretend::new();
    let typed = |words: &[&str]| {
        let mut berth = pretend.berth(words);
        Ran::done(berth.env("BERTH_STATE", "state").current_dir(pretend.case.path("")))
    };
    let dry = typed(&DRY);
    let place = pretend.state("compose").canonicalize().unwrap_or_else(|_| pretend.state("compose"));
    assert!(dry.out.starts_with(&format!("cd {}\n", place.display())), "{}", dry.out);
    assert!(dry.err.ends_with("/state/ is not there yet: berth up makes it first\n"), "{}", dry.err);
    typed(&UP);
    assert!(place.exists());
    assert!(!typed(&["up", "--dry-run"]).err.contains("not there yet"));
}

#[test]
fn what_would_be_refused_is_told_with_the_commands() {
    let pretend = Pretend::new();
    pretend.says("volumes", "berth_mailboxes\n");
    let ran = pretend.run(&DRY);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("REFUSED  project") && ran.out.contains("docker compose up "), "{ran:#?}");
}

#[test]
fn what_runs_as_it_is_wanted_needs_no_command_and_one_role_alone_only_its_own() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let here = format!("cd {}\n", pretend.state("compose").display());
    assert_eq!(pretend.done(&["up", "--dry-run"]).out, here);
    let both = json!([image("sha256:1", &["mail:1", "store:1", "front:1"]), image("sha256:2", &["mail:2"])]);
    pretend.answers("images.json", &both);
    let mut config = pretend.config();
    config["services"]["imap"]["image"] = json!("mail:2");
    pretend.answers("config.json", &config);
    let ran = pretend.done(&["up", "--only", "imap", "--image", "mail:2", "--dry-run"]);
    let up = "docker compose up --detach --no-build --quiet-pull --no-deps imap\n";
    assert_eq!(ran.out, here + up);
    assert_eq!(pretend.changes(), Vec::<String>::new());
    assert!(!pretend.case.read("state/compose/.env").contains("mail:2"), "nothing is written down");
}

#[test]
fn what_the_shell_calls_the_same_does_not_overrule_what_is_written_down() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("environment", "");
    let mut again = pretend.berth(&["up", "--no-prove"]);
    again.env("DOMAIN", "shell.test").env("COMPOSE_FILE", "other.yaml").env("BERTH_IMAGE", "other:1");
    assert_eq!(again.output().unwrap().status.code(), Some(0));
    let seen = pretend.case.read("docker/environment");
    let last: Vec<&str> = seen.lines().rev().take(3).collect();
    assert_eq!(last, ["unset unset unset"; 3], "{seen}");
}

#[test]
fn a_changed_configuration_is_seen_whatever_compose_has_marked_it_with() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let mut config = pretend.config();
    config["services"]["imap"]["mem_limit"] = json!("99999999");
    pretend.answers("config.json", &config);
    let up = "docker compose up --detach --no-build --quiet-pull --remove-orphans\n";
    assert!(pretend.done(&["up", "--dry-run"]).out.ends_with(up));
    // Somebody else has made it from something else since.
    pretend.answers("config.json", &pretend.config());
    assert!(!pretend.done(&["up", "--dry-run"]).out.ends_with(up));
    let mut other = SERVICES.map(|name| container(name, "healthy"));
    other[2]["Config"]["Labels"]["com.docker.compose.config-hash"] = json!("other");
    pretend.runs(&other);
    let ran = pretend.run(&["up", "--dry-run"]);
    assert!(ran.out.ends_with(up), "{ran:#?}");
    wait_until("nothing of it goes on", || pretend.case.processes().is_empty().then_some(()));
}

/// They were looked for where only ours are drafted.
#[test]
fn files_that_its_owner_has_added_are_read_from_their_place() {
    let pretend = Pretend::new();
    pretend.up();
    let env = pretend.case.read("state/compose/.env");
    pretend.case.write(
        "state/compose/.env",
        &env.replace("COMPOSE_FILE=compose.yaml", "COMPOSE_FILE=compose.yaml:mine.yaml"),
    );
    pretend.says("asked", "");
    pretend.done(&["up", "--dry-run"]);
    let asked = pretend.case.read("docker/asked");
    let config = asked.lines().find(|line| line.contains(" config ")).unwrap();
    assert!(config.contains(&format!("--file {}", pretend.state("compose/mine.yaml").display())), "{config}");
    assert!(
        !config.contains(&format!("--file {}", pretend.state("compose/compose.yaml").display())),
        "{config}"
    );
}
