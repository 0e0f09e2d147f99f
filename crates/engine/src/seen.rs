//! How what runs is, as a person or a program wants to know it.

use serde::{Serialize, Serializer};

use crate::{Instance, Port};

/// How an instance is, as a person or a program wants to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its name.
    #[serde(rename = "role")]
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// For how long it has been doing that, in milliseconds; of what has a health check, for how long it runs.
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
    /// How much memory it may use, in bytes, where there is a limit.
    pub memory_limit: Option<u64>,
    /// What it waits for, each with what that said last.
    pub waiting_for: Vec<String>,
    /// What its last health check said, where the engine asks for that.
    pub health: Option<String>,
    /// The image that it was made from, if it was.
    pub image: Option<String>,
    /// Where it listens.
    pub ports: Vec<Port>,
}

impl Seen {
    /// An instance of which nothing more is known.
    #[must_use]
    pub fn new(instance: &Instance, state: State) -> Self {
        Self {
            name: instance.name.clone(),
            state,
            for_ms: None,
            ready_after_ms: None,
            restarts: 0,
            main_for_ms: None,
            init: None,
            main: None,
            init_memory: None,
            main_memory: None,
            memory_limit: None,
            waiting_for: Vec::new(),
            health: None,
            image: None,
            ports: instance.ports.clone(),
        }
    }
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Down,
    /// It runs, and its init does not answer, or nothing of it runs on.
    Silent,
    /// What its init says, or what is seen to be the same.
    Is(berth_control::State),
    /// It runs, and its health check says that it is good for clients.
    Healthy,
    /// It runs, and its health check says that it is not.
    Unhealthy,
    /// It runs, and has no health check.
    Running,
}

impl State {
    /// It is ready.
    pub const READY: Self = Self::Is(berth_control::State::Ready);

    /// All that can be known says that it does what it is there for.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Is(berth_control::State::Ready) | Self::Healthy | Self::Running)
    }

    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Is(state) => state.word(),
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Running => "running",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
