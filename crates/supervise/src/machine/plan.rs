//! What a supervisor is told once: how to take what happens, and how long to wait for it.

use std::time::Duration;

use berth_role::{Readiness, Stop};

use super::watch::Watch;
use crate::exit::Exit;
use crate::restart::Budget;

/// What does not change while a supervisor lives.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How signals and the end of the main process are taken.
    pub conduct: Conduct,
    /// How long the needs may take to answer.
    pub need_within: Duration,
    /// What is done when the main process ends and nobody asked for it.
    pub restart: Option<Budget>,
    /// Whether a ready main process is asked if it lives. One that does not is stopped, as a failure.
    pub watch: Option<Watch>,
}

/// How signals and the end of the main process are taken.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// As tini: every signal to the main process, whose end is ours.
    Plain,
    /// As a role: readiness, drain, grace, restarts.
    Role {
        /// How the main process tells that it is ready.
        readiness: Readiness,
        /// How long it may take to.
        ready_within: Duration,
        /// From the moment it is no longer ready until its TERM, for load balancers to notice.
        delay: Duration,
        /// The times of a stop, and its normal ends.
        stop: Stop,
        /// SIGUSR1, which opens Node's debugger, is passed on.
        forward_usr1: bool,
    },
}

impl Plan {
    /// Whether a main process that was asked to stop has ended as it should.
    pub(crate) fn is_normal(&self, exit: Exit) -> bool {
        match &self.conduct {
            Conduct::Plain => true,
            Conduct::Role { stop, .. } => stop.normal.contains(&exit.code()),
        }
    }
}
