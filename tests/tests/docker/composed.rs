//! `berth up --engine compose` with the sample application, from nothing to nothing: one installation, and all that an
//! operator does with it.

use std::process::Stdio;

use berth_tests::{Process, Ran, wait_until_within};
use nix::libc::{SIGINT, SIGKILL};
use serde_json::Value;

use crate::engine::PATIENCE;
use crate::installation::{Installation, START, image};

/// FerretDB is what can be had everywhere.
const OVERLAYS: [&str; 2] = ["--overlay", "sample,ferretdb"];

/// Brings it up for the first time.
fn bring_up(installation: &Installation, words: &[&str]) -> Ran {
    installation.bring_up(&[&OVERLAYS, words].concat())
}

/// All containers of it, each with its service before its id.
fn containers(installation: &Installation) -> Vec<String> {
    let format = "{{.Label \"com.docker.compose.service\"}} {{.ID}}";
    let all = ["ps", "--all", "--filter", &installation.filter(), "--format", format];
    let mut all: Vec<String> = installation.engine.done(&all).lines().map(str::to_owned).collect();
    all.sort();
    all
}

/// What `berth status` says of it.
fn status(installation: &Installation) -> Value {
    serde_json::from_str(&installation.run(&["status", "--json"]).out).unwrap()
}

/// What that says of a role.
fn role(installation: &Installation, name: &str) -> Value {
    let status = status(installation);
    let role = status["roles"].as_array().unwrap().iter().find(|role| role["role"] == name);
    role.unwrap_or_else(|| panic!("no {name}: {status:#}")).clone()
}

#[test]
fn a_service_comes_up_proven_is_changed_role_by_role_and_goes_without_a_trace() {
    let Some(installation) = Installation::new() else { return };
    let ran = bring_up(&installation, &[]);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert!(
        ran.out.contains(&format!("port {}, TLS implicit", installation.published("imap"))),
        "{}",
        ran.out
    );
    assert_eq!(status(&installation)["ready"], true);
    let all = containers(&installation);
    assert_eq!(all.len(), 16, "twelve roles, three stores, a front: {all:?}");

    // A second time changes nothing.
    let again = installation.done(&["up"]);
    assert!(again.err.contains("nothing had to be done"), "{}", again.err);
    assert_eq!(containers(&installation), all);

    // A restart in place leaves the container, and its end is still nobody's wish.
    let before = role(&installation, "imap");
    installation.done(&["restart", "imap"]);
    let after = role(&installation, "imap");
    assert_eq!((&after["init"], &after["state"]), (&before["init"], &Value::from("healthy")), "{after:#}");
    assert_ne!(after["main"], before["main"]);
    assert_eq!(containers(&installation), all);

    // Another image for one role.
    let other = format!("{}:other", installation.engine.name("image"));
    installation.engine.done(&["tag", &image(), &other]);
    installation.done(&["up", "--only", "pop3", "--image", &other, "--no-prove"]);
    assert_eq!(role(&installation, "pop3")["image"], other.as_str());
    let changed: Vec<_> = containers(&installation).into_iter().filter(|line| !all.contains(line)).collect();
    assert!(changed.len() == 1 && changed[0].starts_with("pop3 "), "{changed:?}");
    installation.done(&["up", "--only", "pop3", "--image", &image(), "--no-prove"]);
    installation.engine.done(&["image", "rm", &other]);

    // Logs, and a proof with the service's own authority.
    assert!(installation.done(&["logs", "imap", "-n", "50"]).out.contains("\"message\":\"ready\""));
    installation.done(&["prove"]);

    // Down keeps the mail, and with it the account that can read it.
    let password = installation.engine.case.read("state/account.json");
    installation.done(&["down"]);
    assert_eq!(containers(&installation), Vec::<String>::new());
    assert_eq!(installation.run(&["status"]).code, Some(1));
    let ran = installation.done(&["up"]);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert_eq!(installation.engine.case.read("state/account.json"), password);

    installation.done(&["down", "--volumes", "--yes"]);
    for kind in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
        assert_eq!(installation.left(kind), [].into(), "{kind:?}");
    }
}

#[test]
fn another_certificate_is_served_after_restarts_in_place_and_a_crash_is_still_restarted() {
    let Some(installation) = Installation::new() else { return };
    bring_up(&installation, &["--no-prove"]);
    let all = containers(&installation);
    // One that is not there is made again, of the same key.
    fs_err::remove_file(installation.state("tls/fullchain.pem")).unwrap();
    let shown = || fs_err::read(installation.state("compose/certificates/fullchain.pem")).unwrap();
    let before = shown();
    let ran = installation.done(&["up"]);
    assert_ne!(shown(), before);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert!(ran.err.contains("imap reads changed files: started again, ready after "), "{}", ran.err);
    assert_eq!(containers(&installation), all, "no container is made anew, and no store was touched");
    installation.done(&["status"]);

    // From the host's side, as the kernel would; through the engine it would be somebody's wish.
    let imap = role(&installation, "imap");
    let init = i32::try_from(imap["init"].as_i64().unwrap()).unwrap();
    Process(init).signal(SIGKILL).unwrap();
    wait_until_within(PATIENCE, "imap is back", || {
        let now = role(&installation, "imap");
        (now["state"] == "healthy" && now["init"] != imap["init"]).then_some(())
    });
    assert_eq!(role(&installation, "imap")["restarts"], 1);
}

#[test]
fn a_role_that_dies_is_told_with_its_last_words_and_the_others_go_on() {
    let Some(installation) = Installation::new() else { return };
    bring_up(&installation, &["--no-prove", "--only", "imap,pop3"]);
    let broken = format!("{}:broken", installation.engine.name("image"));
    let script = "console.error('the moon is in the way'); process.exit(3);";
    installation.engine.case.write("broken/imap.js", script);
    let file =
        format!("FROM {}\nCOPY imap.js /app/imap.js\nLABEL {}\n", image(), installation.engine.label());
    installation.engine.case.write("broken/Dockerfile", &file);
    let folder = installation.engine.case.path("broken");
    installation.engine.done(&["build", "--quiet", "--tag", &broken, folder.to_str().unwrap()]);
    let ran = installation.run(&["up", "--only", "imap", "--image", &broken, "--no-prove"]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("  | the moon is in the way\n"), "{}", ran.err);
    assert!(ran.err.contains("error: imap ended with code 3"), "{}", ran.err);
    assert_eq!(role(&installation, "pop3")["state"], "healthy");
    let back = format!("back to it: berth up --only imap --image {}", image());
    assert!(ran.err.contains(&back), "{}", ran.err);
    installation.done(&["up", "--only", "imap", "--image", &image(), "--no-prove"]);
    assert_eq!(role(&installation, "imap")["state"], "healthy");
}

#[test]
fn an_interrupted_up_leaves_its_containers_to_the_engine() {
    let Some(installation) = Installation::new() else { return };
    let mut up = installation.up(&image(), &[&OVERLAYS[..], &["--no-prove"]].concat());
    let up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_within(START, "something runs", || {
        containers(&installation).iter().any(|line| line.starts_with("redis ")).then_some(())
    });
    installation.engine.case.process("berth", "up").signal(SIGINT).unwrap();
    let ran = Ran::of(&up.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(ran.err.contains("what was started goes on in Docker"), "{}", ran.err);
    assert!(!containers(&installation).is_empty());
    installation.done(&["up", "--no-prove"]);
    assert_eq!(status(&installation)["ready"], true);
}
