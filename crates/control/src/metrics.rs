//! What a running init has counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Status, Verdict};

/// What an init has counted since its begin, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// How it is.
    pub status: Status,
    /// Ended processes that it has taken the status of, but for main processes.
    pub orphans_reaped: u64,
    /// The signals that it has sent to the main process, by name.
    pub signals: BTreeMap<String, u64>,
    /// How main processes have ended.
    pub ends: BTreeMap<Verdict, u64>,
    /// What has come of the question whether the service is good for clients.
    pub health: Checks,
    /// What has come of the question whether the process is worth keeping.
    pub live: Checks,
}

/// The answers that a question has got, as far as those who asked have told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// How many were good.
    pub good: u64,
    /// How many were not.
    pub bad: u64,
    /// How long all of them have taken.
    pub took_ms: u64,
    /// Whether the last one was good; nothing before the first.
    pub last: Option<bool>,
}

impl Checks {
    /// One more.
    pub fn add(&mut self, good: bool, took_ms: u64) {
        let count = if good { &mut self.good } else { &mut self.bad };
        *count = count.saturating_add(1);
        self.took_ms = self.took_ms.saturating_add(took_ms);
        self.last = Some(good);
    }
}
