//! `berth up --engine compose` with the sample application, from nothing to nothing: one installation, and all that an
//! operator does with it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use berth_tests::{Ran, berth, wait_until_within};
use serde_json::Value;

use crate::engine::{Engine, PATIENCE};

/// The sample application's image: BERTH_TEST_IMAGE, else the one that `cargo xtask build-image` makes.
fn image() -> String {
    std::env::var("BERTH_TEST_IMAGE").unwrap_or_else(|_| "berth/postbox:dev".to_owned())
}

/// Bringing a dozen roles up on a busy machine.
const LONG: Duration = Duration::from_mins(10);

/// The numbers of the ports that are published at offset 0.
const PORTS: [u16; 6] = [25, 80, 443, 465, 993, 995];

struct Installation {
    engine: Engine,
    project: String,
    offset: u16,
}

impl Installation {
    /// A place for one; nothing where there is no engine or no image.
    fn new() -> Option<Self> {
        let engine = Engine::new()?;
        if engine.run(&["image", "inspect", &image()]).code != Some(0) {
            berth_tests::skip("the sample's image is not there: `cargo xtask build-image` makes it");
            return None;
        }
        let is_free =
            |offset: &u16| PORTS.iter().all(|port| TcpListener::bind(("127.0.0.1", port + offset)).is_ok());
        let offset = (10_000..30_000).step_by(1000).find(is_free).unwrap();
        let project = engine.name("mail");
        Some(Self { engine, project, offset })
    }

    fn state(&self, inside: &str) -> PathBuf {
        self.engine.case.path("state").join(inside)
    }

    fn berth(&self, words: &[&str]) -> Command {
        let mut command = self.engine.program(berth());
        command.args(words).env("BERTH_STATE", self.state(""));
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.berth(words).output().unwrap())
    }

    fn done(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "berth {words:?}: {}\n{}", ran.out, ran.err);
        ran
    }

    /// Brings it up for the first time, on FerretDB, which is what can be had everywhere.
    fn up(&self, more: &[&str]) -> Ran {
        let offset = self.offset.to_string();
        let image = image();
        let words = ["up", "--engine", "compose", "--image", &image, "--overlay", "sample,ferretdb"];
        let place = ["--project", &self.project, "--port-offset", &offset];
        self.done(&[&words[..], &place, more].concat())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"]).out).unwrap()
    }

    fn role(&self, name: &str) -> Value {
        let status = self.status();
        let role = status["roles"].as_array().unwrap().iter().find(|role| role["role"] == name);
        role.unwrap_or_else(|| panic!("no {name}: {status:#}")).clone()
    }

    /// The ids of all containers, by service.
    fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let format = "{{.Label \"com.docker.compose.service\"}} {{.ID}}";
        let all = self.engine.done(&["ps", "--all", "--filter", &filter, "--format", format]);
        let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
        all.sort();
        all
    }

    /// What is left of it in the engine.
    fn left(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let kinds = [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]];
        let all = kinds.map(|kind| self.engine.done(&[kind, &["--quiet", "--filter", &filter]].concat()));
        all.iter().flat_map(|all| all.lines()).map(str::to_owned).collect()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.run(&["down", "--volumes", "--yes"]);
        let left = self.left();
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:?}");
    }
}

#[test]
fn a_service_comes_up_proven_is_changed_role_by_role_and_goes_without_a_trace() {
    let Some(installation) = Installation::new() else { return };
    let ran = installation.up(&[]);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert!(ran.out.contains(&format!("port {}, TLS implicit", 993 + installation.offset)), "{}", ran.out);
    assert_eq!(installation.status()["ready"], true);
    let all = installation.containers();
    assert_eq!(all.len(), 16, "twelve roles, three stores, a front: {all:?}");

    // A second time changes nothing.
    let again = installation.done(&["up"]);
    assert!(again.err.contains("nothing had to be done"), "{}", again.err);
    assert_eq!(installation.containers(), all);

    // A restart in place leaves the container, and its end is still nobody's wish.
    let before = installation.role("imap");
    installation.done(&["restart", "imap"]);
    let after = installation.role("imap");
    assert_eq!((&after["init"], &after["state"]), (&before["init"], &Value::from("healthy")), "{after:#}");
    assert_ne!(after["main"], before["main"]);
    assert_eq!(installation.containers(), all);

    // Another image for one role.
    let other = format!("{}:other", installation.engine.name("image"));
    installation.engine.done(&["tag", &image(), &other]);
    installation.done(&["up", "--only", "pop3", "--image", &other, "--no-prove"]);
    assert_eq!(installation.role("pop3")["image"], other.as_str());
    let changed: Vec<_> = installation.containers().into_iter().filter(|line| !all.contains(line)).collect();
    assert!(changed.len() == 1 && changed[0].starts_with("pop3 "), "{changed:?}");
    installation.done(&["up", "--only", "pop3", "--image", &image(), "--no-prove"]);
    installation.engine.done(&["image", "rm", &other]);

    // Logs, and a proof with the service's own authority.
    assert!(installation.done(&["logs", "imap", "-n", "50"]).out.contains("\"message\":\"ready\""));
    installation.done(&["prove"]);

    // Down keeps the mail, and with it the account that can read it.
    let password = installation.engine.case.read("state/account.json");
    installation.done(&["down"]);
    assert_eq!(installation.containers(), Vec::<String>::new());
    assert_eq!(installation.run(&["status"]).code, Some(1));
    let ran = installation.done(&["up"]);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert_eq!(installation.engine.case.read("state/account.json"), password);

    installation.done(&["down", "--volumes", "--yes"]);
    assert_eq!(installation.left(), Vec::<String>::new());
}

#[test]
fn another_certificate_is_served_after_restarts_in_place_and_a_crash_is_still_restarted() {
    let Some(installation) = Installation::new() else { return };
    installation.up(&["--no-prove"]);
    let all = installation.containers();
    // One that is not there is made again, of the same key.
    fs_err::remove_file(installation.state("tls/fullchain.pem")).unwrap();
    let shown = || fs_err::read(installation.state("compose/certificates/fullchain.pem")).unwrap();
    let before = shown();
    let ran = installation.done(&["up"]);
    assert_ne!(shown(), before);
    assert!(ran.out.contains("proven: a mail goes through"), "{}", ran.out);
    assert!(ran.err.contains("imap reads changed files: started again, ready after "), "{}", ran.err);
    assert_eq!(installation.containers(), all, "no container is made anew, and no store was touched");
    installation.done(&["status"]);

    // From the host's side, as the kernel would; through the engine it would be somebody's wish.
    let imap = installation.role("imap");
    let init = i32::try_from(imap["init"].as_i64().unwrap()).unwrap();
    berth_tests::Process(init).signal(nix::libc::SIGKILL).unwrap();
    wait_until_within(PATIENCE, "imap is back", || {
        let now = installation.role("imap");
        (now["state"] == "healthy" && now["init"] != imap["init"]).then_some(())
    });
    assert_eq!(installation.role("imap")["restarts"], 1);
}

#[test]
fn a_role_that_dies_is_told_with_its_last_words_and_the_others_go_on() {
    let Some(installation) = Installation::new() else { return };
    installation.up(&["--no-prove", "--only", "imap,pop3"]);
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
    assert_eq!(installation.role("pop3")["state"], "healthy");
    let back = format!("back to it: berth up --only imap --image {}", image());
    assert!(ran.err.contains(&back), "{}", ran.err);
    installation.done(&["up", "--only", "imap", "--image", &image(), "--no-prove"]);
    assert_eq!(installation.role("imap")["state"], "healthy");
}

#[test]
fn an_interrupted_up_leaves_its_containers_to_the_engine() {
    let Some(installation) = Installation::new() else { return };
    let offset = installation.offset.to_string();
    let image = image();
    let mut up =
        installation.berth(&["up", "--engine", "compose", "--image", &image, "--overlay", "sample,ferretdb"]);
    up.args(["--project", &installation.project, "--port-offset", &offset, "--no-prove"]);
    let up = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_within(LONG, "something runs", || {
        installation.containers().iter().any(|line| line.starts_with("redis ")).then_some(())
    });
    installation.engine.case.process("berth", "up").signal(nix::libc::SIGINT).unwrap();
    let ran = Ran::of(&up.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    assert!(ran.err.contains("what was started goes on in Docker"), "{}", ran.err);
    assert!(!installation.containers().is_empty());
    installation.done(&["up", "--no-prove"]);
    assert_eq!(installation.status()["ready"], true);
}
