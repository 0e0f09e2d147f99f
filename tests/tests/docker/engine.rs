//! What one test owns in the engine: whatever carries its label, and what it named.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use berth_tests::{Case, Ran, skip, wait_until_within};
use serde_json::Value;

/// Long enough for anything that an engine does on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// What the client needs to find the engine, as `cargo xtask test` sets it.
const VARIABLES: [&str; 5] = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "HOME", "PATH"];

/// A layer goes with the last image that has it, even while a build takes it for one that is made already. Images that are
/// derived are alike in many tests, and none of them stays.
static LAYERS: RwLock<()> = RwLock::new(());

/// Builds, while no test removes an image.
pub fn while_layers_stay<T>(build: impl FnOnce() -> T) -> T {
    let _stay = LAYERS.read().unwrap_or_else(PoisonError::into_inner);
    build()
}

/// Runs `docker` with these words by `run`, while nothing is derived if they remove an image.
fn alone_if_it_removes<T>(words: &[&str], run: impl FnOnce() -> T) -> T {
    let removes = words.starts_with(&["image", "rm"]);
    let _alone = removes.then(|| LAYERS.write().unwrap_or_else(PoisonError::into_inner));
    run()
}

/// An engine, and all that a test has in it.
pub struct Engine {
    pub case: Case,
    name: String,
}

impl Engine {
    /// The engine; without one the test is skipped.
    pub fn new() -> Option<Self> {
        let case = Case::new();
        let name = case.folder().file_name().unwrap().to_string_lossy().to_lowercase().replace('.', "");
        let engine = Self { case, name };
        if engine.run(&["version"]).code == Some(0) {
            return Some(engine);
        }
        skip("no Docker engine: `cargo xtask test docker` starts one");
        None
    }

    /// A name for something of this test that no other test has. It starts with the prefix that all tests share.
    pub fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// The label that has whatever this test made removed at its end: for `--label`.
    pub fn label(&self) -> String {
        format!("berth.test={}", self.name)
    }

    /// `docker` with these words.
    pub fn docker(&self, words: &[&str]) -> Command {
        let mut docker = self.program("docker");
        docker.args(words);
        docker
    }

    /// A program that uses the engine.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.case.command(program);
        for variable in VARIABLES {
            command.envs(std::env::var_os(variable).map(|value| (variable, value)));
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        alone_if_it_removes(words, || Ran::run(&mut self.docker(words)))
    }

    /// Runs `docker`, which has to end well; gives what it printed.
    pub fn done(&self, words: &[&str]) -> String {
        alone_if_it_removes(words, || Ran::done(&mut self.docker(words))).out.trim().to_owned()
    }

    /// Starts a container of this test in the background, with options, an image and its command; gives its name.
    pub fn start(&self, of: &str, words: &[&str]) -> String {
        let name = self.name(of);
        let label = self.label();
        self.done(&[&["run", "--detach", "--name", &name, "--label", &label], words].concat());
        name
    }

    /// What `docker inspect` says of something.
    pub fn inspect(&self, name: &str) -> Value {
        let told: Value = serde_json::from_str(&self.done(&["inspect", name])).unwrap();
        told[0].clone()
    }

    /// Waits until a container's health is this.
    pub fn becomes(&self, name: &str, health: &str) -> Value {
        wait_until_within(PATIENCE, &format!("{name} is {health}"), || {
            let state = self.inspect(name)["State"].clone();
            assert!(state["Running"] == true, "{name} ended: {state:#}");
            (state["Health"]["Status"] == health).then_some(state)
        })
    }

    /// Removes whatever a label is on.
    pub fn clear(&self, label: &str) {
        let filter = format!("label={label}");
        for (kind, remove) in [
            (&["ps", "--all"][..], &["rm", "--force", "--volumes"][..]),
            (&["network", "ls"], &["network", "rm"]),
            (&["volume", "ls"], &["volume", "rm", "--force"]),
            (&["image", "ls"], &["image", "rm", "--force"]),
        ] {
            let found = self.run(&[kind, &["--quiet", "--filter", &filter]].concat()).out;
            let found: Vec<_> = found.split_whitespace().collect();
            if !found.is_empty() {
                self.run(&[remove, &found].concat());
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.clear(&self.label());
    }
}

/// A base image as `docker/bases.json` names it, by what the repository calls it.
pub fn base(name: &str) -> String {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/bases.json");
    let list: Value = serde_json::from_str(&fs_err::read_to_string(list).unwrap()).unwrap();
    let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == name);
    entry.unwrap_or_else(|| panic!("no base {name}"))["image"].as_str().unwrap().to_owned()
}
