//! Why an engine did not do what it was asked.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Holder, Kind, State, compose, folder};

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
        /// What its last health check said, where the engine asks for that.
        health: Option<String>,
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
        /// What its last health check said, where the engine asks for that.
        health: Option<String>,
    },
    /// The health check of an instance does not get good.
    #[error("{name} is unhealthy")]
    Unhealthy {
        /// The instance.
        name: String,
        /// What its last health check said.
        health: Option<String>,
        /// The last lines of its log.
        last: Vec<String>,
    },
    /// What is wanted is not for this engine, but for that of this name.
    #[error("this installation is run by the engine {}", .0.word())]
    OtherEngine(Kind),
    /// A docker command failed.
    #[error("{line} failed")]
    Docker {
        /// The command.
        line: String,
        /// What it said, and how it ended.
        #[source]
        said: compose::Said,
    },
    /// What a docker command said was not understood.
    #[error("{line} gave an answer that was not understood")]
    DockerAnswer {
        /// The command.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
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

impl EngineError {
    /// What failed and why, on one line.
    #[must_use]
    pub fn told(&self) -> String {
        let causes = std::iter::successors(self.source(), |&cause| cause.source());
        causes.fold(self.to_string(), |told, cause| format!("{told}: {cause}"))
    }
}
