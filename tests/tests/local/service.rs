//! A service of its own for each test: its state folder, its ports, its processes.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use berth_tests::{Case, Offset, Process, Served, application, berth, init, node, wait_until};
pub use berth_tests::{Ran, User, have, tell};
use serde_json::Value;

/// The roles that a mail goes through, which most tests make do with.
pub const ROLES: [&str; 5] = ["sqlite", "smtp", "imap", "mx", "smtp-bree"];

/// All roles.
pub const ALL: [&str; 12] = [
    "sqlite",
    "imap",
    "mx",
    "pop3",
    "smtp",
    "api",
    "caldav",
    "carddav",
    "web",
    "bree",
    "smtp-bree",
    "sqlite-bree",
];

/// The ports at offset 0; their endings say how TLS begins.
const PORTS: [(&str, u16); 9] = [
    ("smtp", 2465),
    ("imap", 2993),
    ("pop3", 2995),
    ("mx", 2525),
    ("sqlite", 3456),
    ("web", 3000),
    ("api", 4000),
    ("caldav", 5000),
    ("carddav", 6000),
];

pub struct Service {
    pub case: Case,
    pub offset: u16,
    _reserved: Offset,
}

impl Service {
    /// A place for a service, where nothing runs yet.
    pub fn new() -> Self {
        let reserved = Offset::reserve(&PORTS.map(|(_, port)| port));
        Self { case: Case::new(), offset: reserved.number, _reserved: reserved }
    }

    /// A service of the roles that a mail goes through.
    pub fn up() -> Self {
        let service = Self::new();
        service.bring_up();
        service
    }

    /// A service of these roles and what they need.
    pub fn up_with(roles: &[&str]) -> Self {
        let service = Self::new();
        service.bring_up_with(roles);
        service
    }

    /// Brings it up, or completes what is left of it.
    pub fn bring_up(&self) {
        self.bring_up_with(&ROLES);
    }

    /// Brings up these roles and what they need, and takes the others down.
    pub fn bring_up_with(&self, roles: &[&str]) -> Ran {
        self.done(&["up", "--detach", "--no-prove", "--only", &roles.join(",")])
    }

    /// Takes it down, after which nothing of it may be left.
    pub fn down(&self) {
        self.done(&["down"]);
        assert_eq!(self.case.processes(), []);
    }

    /// `berth` with these words, for this service.
    pub fn berth(&self, words: &[&str]) -> Command {
        let mut command = self.case.command(berth());
        command.args(words).stdin(Stdio::null()).env("BERTH_STATE", self.state(""));
        if words.first() == Some(&"up") {
            command.arg("--port-offset").arg(self.offset.to_string());
        }
        let node = node()
            .expect("there is no node: `cargo xtask test local` fetches one, BERTH_TEST_NODE names one");
        command.env("BERTH_APP_DIR", application()).env("BERTH_INIT", init()).env("BERTH_NODE", node);
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
        self.case.path("state").join(inside)
    }

    /// A path in the state folder as the roles see it, who may have a file system of their own there.
    pub fn files(&self, inside: &str) -> PathBuf {
        let init = self.process("sqlite", "init");
        let inside = self.state(inside);
        PathBuf::from(format!("/proc/{}/root", init.0)).join(inside.strip_prefix("/").unwrap())
    }

    /// The certification authority that clients trust.
    pub fn authority(&self) -> String {
        self.state("tls/chain.pem").to_str().unwrap().to_owned()
    }

    /// The port of a role.
    pub fn port(&self, role: &str) -> u16 {
        PORTS.iter().find(|(name, _)| *name == role).unwrap().1 + self.offset
    }

    /// `127.0.0.1:PORT` of a role.
    pub fn door(&self, role: &str) -> String {
        format!("127.0.0.1:{}", self.port(role))
    }

    /// Asks a role's `berth-init`, as a container's engine does.
    pub fn ask(&self, role: &str, words: &[&str]) -> Ran {
        let mut command = self.case.command(init());
        command.env("BERTH_CONTROL", self.state(&format!("run/{role}.sock"))).args(words);
        Ran::of(&command.output().unwrap())
    }

    /// What `berth status --json` says, whether all is well or not.
    pub fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }

    /// What the status says of a role.
    pub fn role(&self, name: &str) -> Value {
        let status = self.status();
        let roles = status["roles"].as_array().unwrap();
        roles
            .iter()
            .find(|role| role["role"] == name)
            .unwrap_or_else(|| panic!("no {name}: {status:#}"))
            .clone()
    }

    /// A process of a role: `init` or `main`.
    pub fn process(&self, role: &str, which: &str) -> Process {
        // An init that is slow to answer tells none.
        let pid = wait_until(&format!("a {which} of {role}"), || self.role(role)[which].as_i64());
        Process(i32::try_from(pid).unwrap())
    }

    /// A process of each of these roles.
    pub fn all_of(&self, roles: &[&str], which: &str) -> Vec<Process> {
        roles.iter().map(|role| self.process(role, which)).collect()
    }

    /// A process of each role.
    pub fn all(&self, which: &str) -> Vec<Process> {
        self.all_of(&ROLES, which)
    }

    /// The lines of a role's log, its init's and its own.
    pub fn log(&self, role: &str) -> Vec<Value> {
        let log = self.case.read(format!("state/logs/{role}.log"));
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// A command that sees the files as the roles do, who may have a file system of their own.
    pub fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        if !berth_tests::is_root() {
            return self.case.command(program);
        }
        let init = self.process("sqlite", "init").0.to_string();
        let mut command = self.case.command("nsenter");
        command.args(["--mount", "--target", &init, "--"]).arg(program);
        command
    }

    /// The application's own command for accounts, with the settings that its roles have.
    pub fn admin(&self, words: &[&str]) -> Ran {
        let settings = self.process("sqlite", "init").file("environ").unwrap();
        let mut command = self.beside(node().unwrap());
        command.arg(application().join("admin.js")).args(words).stdin(Stdio::null());
        command.envs(settings.split('\0').filter_map(|pair| pair.split_once('=')));
        Ran::of(&command.output().unwrap())
    }

    /// Makes a user.
    pub fn user(&self, name: &str) -> User {
        let ran = self.admin(&["user", "add", &format!("{name}@example.test"), "--json"]);
        User::of(&ran)
    }
}

impl Served for Service {
    fn case(&self) -> &Case {
        &self.case
    }

    fn port(&self, role: &str) -> u16 {
        Self::port(self, role)
    }

    fn authority(&self) -> String {
        Self::authority(self)
    }

    fn user(&self, name: &str) -> User {
        Self::user(self, name)
    }

    fn queue(&self) -> Option<PathBuf> {
        Some(self.state("data/queue.sqlite"))
    }

    fn beside(&self, program: &str) -> Command {
        Self::beside(self, program)
    }
}
