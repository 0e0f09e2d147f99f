//! Brings a set of instances up, keeps them up, and takes them down again.
//!
//! What is wanted is handed in as plain data ([`Wanted`]); an [`Engine`] makes what runs equal to it. There is
//! one engine, [`Local`]: a `berth-init` per instance, each a process in a session of its own, so that they
//! outlive the command that started them. What is to be done is decided by the pure functions of [`plan`].
//!
//! Invariants: knows no role by name; what runs is asked of the running (control sockets, /proc), never of a
//! file that could be stale; a process is signalled only after it was told apart from one that got its number
//! later; whoever changes what runs holds the [`folder::Lock`].
//!
//! ```
//! use berth_engine::{Instance, plan};
//! let store = Instance { name: "store".into(), ..Instance::default() };
//! let reader = Instance { name: "reader".into(), needs: vec!["store".into()], ..Instance::default() };
//! assert_eq!(plan::stop_waves(&[store, reader]), [["reader"], ["store"]]);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub mod folder;
pub mod plan;

mod holder;
mod local;
mod log;
mod process;
mod spawn;

pub use folder::Folder;
pub use holder::Holder;
pub use local::Local;

/// What is to run, and how.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What is to run, in the order in which to start it.
    pub instances: Vec<Instance>,
    /// The program that each instance is: it is given the instance's name.
    pub program: PathBuf,
    /// The application's folder.
    pub app: PathBuf,
    /// The Node that runs the application.
    pub node: PathBuf,
    /// The settings, the same for all.
    pub environment: BTreeMap<String, String>,
    /// Files that an instance reads once, when it starts: one that changed means a restart.
    pub inputs: Vec<PathBuf>,
    /// The addresses that instances listen on.
    pub listen: Vec<IpAddr>,
}

impl fmt::Debug for Wanted {
    /// Leaves the settings' values out: there are secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("instances", &self.instances).finish_non_exhaustive()
    }
}

/// One thing that is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name, unique.
    pub name: String,
    /// Where it listens.
    pub ports: Vec<Port>,
    /// The instances that must be ready before it is started.
    pub needs: Vec<String>,
    /// The instances that it can do without for a while; they are stopped after it.
    pub uses: Vec<String>,
    /// Whether it says when it is ready. One that does not counts as ready when it has lived for a while, and
    /// takes none of the places of those that are starting.
    pub says_ready: bool,
    /// How long it may take to get ready.
    pub ready_within: Duration,
    /// How long it may take to stop, all in all; after that it is killed.
    pub stop_within: Duration,
}

/// A port that an instance listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The number that clients outside know it by.
    pub published: u16,
    /// What it is, and the number that is listened on.
    #[serde(flatten)]
    pub listening: berth_control::Port,
}

/// When `up` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All run, and those that say when they are ready have said it.
    Said,
    /// All are ready.
    Ready,
}

/// How an instance is, as a person or a program wants to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its name.
    #[serde(rename = "role")]
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// For how long it has been doing that, in milliseconds.
    pub for_ms: Option<u64>,
    /// From its start until it was ready, in milliseconds, once it was.
    pub ready_after_ms: Option<u64>,
    /// How often its main process was started again, with its init or by it.
    pub restarts: u32,
    /// For how long its main process has been running, in milliseconds.
    pub main_for_ms: Option<u64>,
    /// The process id of its init.
    pub init: Option<u32>,
    /// The process id of its main process.
    pub main: Option<u32>,
    /// The resident memory of its init, in bytes.
    pub init_memory: Option<u64>,
    /// The resident memory of its main process, in bytes.
    pub main_memory: Option<u64>,
    /// What it waits for, each with what that said last.
    pub waiting_for: Vec<String>,
    /// Where it listens.
    pub ports: Vec<Port>,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum State {
    /// It does not run.
    #[serde(serialize_with = "down")]
    Down,
    /// Its init runs and does not answer.
    #[serde(serialize_with = "silent")]
    Silent,
    /// What its init says.
    Is(berth_control::State),
}

impl State {
    /// It is ready.
    pub const READY: Self = Self::Is(berth_control::State::Ready);

    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Is(state) => state.word(),
        }
    }
}

fn down<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(State::Down.word())
}

fn silent<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(State::Silent.word())
}

/// Something that an engine did, or found, while it worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It ran already, as it is wanted.
    Adopted(String),
    /// It was started.
    Started(String),
    /// It runs and has to be stopped first.
    Stopping(String, plan::Why),
    /// It ended, as asked.
    Stopped(String, Duration),
    /// It did not end in time, or left something behind: so many processes were killed.
    Killed(String, usize),
    /// It ended without being asked, and is started again after a pause.
    Ended(String, Duration),
    /// It ended too often, and is left alone.
    GivenUp(String),
    /// Somebody is in a hurry; these have not ended yet, with the time that each may still take.
    StillStopping(Vec<(String, Duration)>),
}

/// Who watches an engine at work, and may interrupt it.
pub trait Watcher {
    /// How all instances are, told again and again.
    fn saw(&mut self, seen: &[Seen]);
    /// Something happened.
    fn heard(&mut self, event: Event);
    /// How often the person at the keyboard wanted an end.
    fn interrupts(&self) -> usize;
}

/// Why [`Engine::keep`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The watcher wanted an end.
    Interrupted,
    /// Somebody else took down what was kept.
    TakenDown,
}

/// Something that runs instances.
pub trait Engine {
    /// Makes what runs equal to what is wanted. Done already: nothing happens. When it fails, what it had
    /// started is stopped again.
    fn up(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError>;

    /// Starts again what ends, until somebody wants an end.
    fn keep(&mut self, watcher: &mut dyn Watcher) -> Result<Kept, EngineError>;

    /// Stops all, those that are needed after those that need them.
    fn down(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError>;

    /// What was wanted last; nothing when it was taken down.
    fn wanted(&self) -> Result<Option<Wanted>, EngineError>;

    /// How all that is wanted is.
    fn status(&self) -> Result<Vec<Seen>, EngineError>;

    /// Has the main process of an instance stopped and started again.
    fn restart(&self, name: &str) -> Result<(), EngineError>;

    /// The last lines of each instance's log, and with `follow` those to come, until `take` fails.
    fn logs(
        &self,
        names: &[String],
        lines: usize,
        follow: bool,
        take: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    ) -> Result<(), EngineError>;

    /// Puts aside the logs that have grown too long. Whatever is kept up is looked after; of what runs by itself,
    /// whoever looks at it does this.
    fn tend(&self) -> Result<(), EngineError>;

    /// Runs a script of the application beside the instances, with their settings.
    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError>;
}

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
    /// Ports are taken by others: number and, where it can be known, who holds it.
    #[error("ports are taken")]
    Busy(Vec<(String, u16, Option<Holder>)>),
    /// A port may not be listened on.
    #[error("cannot listen on port {port} for {name}")]
    Port {
        /// The instance.
        name: String,
        /// The port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// An instance ended before it was ready.
    #[error("{name} {how}")]
    Died {
        /// The instance.
        name: String,
        /// How it ended.
        how: String,
        /// The last lines of its log.
        last: Vec<String>,
    },
    /// An instance was not ready in time.
    #[error("{name} was not ready within {} s: it is {}", .after.as_secs(), .state.word())]
    Late {
        /// The instance.
        name: String,
        /// What it is doing.
        state: State,
        /// How long it was given.
        after: Duration,
        /// The last lines of its log.
        last: Vec<String>,
    },
    /// The watcher wanted an end.
    #[error("interrupted")]
    Interrupted,
    /// There is no such instance, or it does not run.
    #[error("{0} does not run")]
    NotRunning(String),
    /// An init was asked and did not do it.
    #[error("{name} does not do it: {reason}")]
    Refused {
        /// The instance.
        name: String,
        /// What it said.
        reason: String,
    },
    /// An init gave no answer.
    #[error("{name} gave no answer")]
    Ask {
        /// The instance.
        name: String,
        /// Why.
        source: berth_control::AskError,
    },
    /// A file could not be read or written; the error names it.
    #[error("cannot use a file")]
    File(#[from] io::Error),
}
