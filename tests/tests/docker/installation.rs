//! An installation on Docker Compose: its state folder, its ports, and what `docker` says of its containers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_tests::{Case, Offset, Process, Ran, Served, User, berth, skip, wait_until_within};
use serde_json::Value;

use crate::engine::Engine;

/// All roles.
pub const ROLES: [&str; 12] = [
    "sqlite",
    "smtp",
    "imap",
    "pop3",
    "mx",
    "web",
    "api",
    "caldav",
    "carddav",
    "smtp-bree",
    "sqlite-bree",
    "bree",
];

/// What stands beside them.
pub const STORES: [&str; 3] = ["postgresql", "ferretdb", "redis"];

/// The ports that are published, at offset 0.
pub const PUBLISHED: [(&str, u16); 6] =
    [("smtp", 465), ("imap", 993), ("pop3", 995), ("mx", 25), ("http", 80), ("https", 443)];

/// Long enough for all roles to start on a busy machine.
pub const START: Duration = Duration::from_mins(4);

/// The image of the roles: the sample application, unless another one is to be tried.
pub fn image() -> String {
    std::env::var("BERTH_TEST_IMAGE").unwrap_or_else(|_| "berth/postbox:dev".to_owned())
}

/// An installation of a project of its own. Whatever it has in the engine goes with it.
pub struct Installation {
    pub engine: Engine,
    pub offset: Offset,
    users: AtomicUsize,
}

impl Installation {
    /// Where nothing runs yet; without an engine the test is skipped.
    pub fn new() -> Option<Self> {
        let engine = Engine::new()?;
        if engine.run(&["image", "inspect", &image()]).code != Some(0) {
            skip(&format!("{} is not there: `cargo xtask build-image` makes the sample's", image()));
            return None;
        }
        // A run that was killed has left its project behind.
        for held in Offset::unheld() {
            forget(&engine, held.number);
        }
        let offset = Offset::reserve(&PUBLISHED.map(|(_, port)| port));
        Some(Self { engine, offset, users: AtomicUsize::new(0) })
    }

    /// Brought up from the image of the roles, with these words besides.
    pub fn bring_up(&self, words: &[&str]) -> Ran {
        self.bring_up_from(&image(), words)
    }

    /// The same, from another image.
    pub fn bring_up_from(&self, image: &str, words: &[&str]) -> Ran {
        Ran::done(&mut self.up(image, words))
    }

    /// The command that brings it up for the first time.
    pub fn up(&self, image: &str, words: &[&str]) -> Command {
        let (project, offset) = (self.project(), self.offset.number.to_string());
        let all = ["up", "--engine", "compose", "--detach", "--image", image, "--project", &project];
        self.berth(&[&all[..], &["--port-offset", &offset], words].concat())
    }

    pub fn project(&self) -> String {
        project(self.offset.number)
    }

    /// `berth` with these words, for this installation.
    pub fn berth(&self, words: &[&str]) -> Command {
        let mut command = self.engine.program(berth());
        command.env("BERTH_STATE", self.state("")).args(words).stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::run(&mut self.berth(words))
    }

    /// Runs `berth`, which has to end well.
    pub fn done(&self, words: &[&str]) -> Ran {
        Ran::done(&mut self.berth(words))
    }

    /// A path in the state folder.
    pub fn state(&self, inside: &str) -> PathBuf {
        self.engine.case.path("state").join(inside)
    }

    /// What a secret is.
    pub fn secret(&self, name: &str) -> String {
        fs_err::read_to_string(self.state("compose/secrets").join(name)).unwrap()
    }

    /// The container of a service.
    pub fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project())
    }

    pub fn inspect(&self, service: &str) -> Value {
        self.engine.inspect(&self.container(service))
    }

    /// Waits until a service is healthy in a container that runs.
    pub fn becomes(&self, service: &str, health: &str) -> Value {
        wait_until_within(START, &format!("{service} is {health}"), || {
            let state = self.inspect(service)["State"].clone();
            (state["Running"] == true && state["Health"]["Status"] == health).then_some(state)
        })
    }

    /// Waits until these are healthy.
    pub fn all_healthy(&self, services: &[&str]) {
        for service in services {
            self.becomes(service, "healthy");
        }
    }

    /// All of its services: roles, stores, and the front.
    pub fn services(&self) -> Vec<String> {
        let filter = format!("label={}", label(self.offset.number));
        let name = "{{.Label \"com.docker.compose.service\"}}";
        let listed = self.engine.done(&["ps", "--all", "--filter", &filter, "--format", name]);
        let services: Vec<_> = listed.lines().map(str::to_owned).collect();
        let has = |name: &str| services.iter().any(|service| service == name);
        assert!(has("sqlite") && has("redis") && has("front"), "{services:?}");
        services
    }

    /// Those of its services that are roles.
    pub fn roles(&self) -> Vec<&'static str> {
        let services = self.services();
        ROLES.into_iter().filter(|role| services.iter().any(|service| service == role)).collect()
    }

    /// The store of documents, by its service.
    pub fn document_store(&self) -> &'static str {
        let services = self.services();
        let store =
            ["mongodb", "ferretdb"].into_iter().find(|store| services.iter().any(|service| service == store));
        store.expect("it runs here")
    }

    /// Whether users can be made from here: in the sample alone.
    pub fn makes_users(&self) -> bool {
        self.inspect("sqlite")["Config"]["Labels"]["berth.sample"]
            .as_str()
            .is_some_and(|label| !label.is_empty())
    }

    /// How often the engine has started it again.
    pub fn restarts(&self, service: &str) -> i64 {
        self.inspect(service)["RestartCount"].as_i64().unwrap()
    }

    /// Runs something in a service's container.
    pub fn exec(&self, service: &str, words: &[&str]) -> Ran {
        self.engine.run(&[&["exec", &self.container(service)], words].concat())
    }

    /// PID 1 of a service's container, as this host sees it.
    pub fn init(&self, service: &str) -> Process {
        let pid = self.inspect(service)["State"]["Pid"].as_i64().unwrap();
        assert!(pid > 1, "{service} does not run");
        Process(i32::try_from(pid).unwrap())
    }

    /// The application's process of a role, as this host sees it, once there is one.
    pub fn main(&self, role: &str) -> Process {
        wait_until_within(START, &format!("{role} has a main process"), || {
            let pid = self.inspect(role)["State"]["Pid"].as_i64().filter(|pid| *pid > 1)?;
            let children = Process(i32::try_from(pid).unwrap()).children();
            children
                .into_iter()
                .find(|child| child.words().first().is_some_and(|word| word.ends_with("node")))
        })
    }

    /// What there is of it in the engine, each as its kind and name.
    pub fn left(&self) -> Vec<String> {
        let filter = format!("label={}", label(self.offset.number));
        let kinds = [("container", "{{.Names}}"), ("volume", "{{.Name}}"), ("network", "{{.Name}}")];
        let all = kinds.map(|(kind, format)| {
            let all: &[&str] = if kind == "container" { &["--all"] } else { &[] };
            let words = [&[kind, "ls", "--filter", &filter, "--format", format], all].concat();
            let listed = self.engine.done(&words);
            listed.lines().map(|name| format!("{kind} {name}")).collect::<Vec<_>>()
        });
        all.concat()
    }

    /// A published port.
    pub fn published(&self, name: &str) -> u16 {
        PUBLISHED.iter().find(|(other, _)| *other == name).unwrap().1 + self.offset.number
    }
}

fn project(offset: u16) -> String {
    format!("berth-test-{offset}")
}

fn label(offset: u16) -> String {
    format!("com.docker.compose.project={}", project(offset))
}

/// Removes what a killed run has left of this project: in the engine, and its folder.
fn forget(engine: &Engine, offset: u16) {
    let (filter, folder) =
        (format!("label={}", label(offset)), "{{.Label \"com.docker.compose.project.working_dir\"}}");
    let folders = engine.run(&["ps", "--all", "--filter", &filter, "--format", folder]).out;
    engine.clear(&label(offset));
    for folder in folders.lines() {
        // FOLDER OF THE TEST/state/compose
        let of_the_test = Path::new(folder).ancestors().nth(2).unwrap_or(Path::new(""));
        let name = of_the_test.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("berth-test-") {
            // The first of its containers has had it removed.
            let _ = fs_err::remove_dir_all(of_the_test);
        }
    }
}

impl Served for Installation {
    fn case(&self) -> &Case {
        &self.engine.case
    }

    fn port(&self, role: &str) -> u16 {
        let own = PUBLISHED.iter().any(|(other, _)| *other == role);
        self.published(if own { role } else { "https" })
    }

    fn authority(&self) -> String {
        self.state("tls/chain.pem").to_str().unwrap().to_owned()
    }

    fn user(&self, name: &str) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let address = format!("{name}-{number}@example.test");
        let admin = ["berth-init", "--settings", "--", "node", "admin.js", "user", "add", &address, "--json"];
        User::of(&self.exec("sqlite", &admin))
    }

    fn queue(&self) -> Option<PathBuf> {
        None
    }

    fn beside(&self, program: &str) -> Command {
        self.engine.case.command(program)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.engine.clear(&label(self.offset.number));
    }
}
