//! How long things may take with a role: its own times, unless BERTH_* says otherwise.

use std::time::Duration;

use berth_role::Role;
use berth_settings::{LIVE_EVERY, LIVE_WITHIN, NEED_WITHIN};

use crate::own::{Own, Seconds};

/// How long a sign of life may take.
pub fn live_within(own: &Own) -> Duration {
    own.live_within.map_or(LIVE_WITHIN, |own| own.0)
}

/// How often a role is asked for one.
pub fn live_every(own: &Own) -> Duration {
    own.live_every.map_or(LIVE_EVERY, |own| own.0)
}

/// The times of a role, as they count here.
pub struct RoleTimes {
    pub need_within: Duration,
    pub ready_within: Duration,
    /// From the moment it is no longer ready until its TERM.
    pub stop_delay: Duration,
    pub quiet: Option<Duration>,
    pub drain: Duration,
    pub grace: Duration,
}

impl RoleTimes {
    pub fn of(role: &Role, own: &Own) -> Self {
        let or = |own: Option<Seconds>, role: Duration| own.map_or(role, |own| own.0);
        Self {
            need_within: or(own.need_within, NEED_WITHIN),
            ready_within: or(own.ready_within, role.ready_within),
            stop_delay: or(own.stop_delay, Duration::ZERO),
            quiet: own.quiet.map_or(role.stop.quiet, |own| Some(own.0)).filter(|quiet| !quiet.is_zero()),
            drain: or(own.drain, role.stop.drain),
            grace: or(own.grace, role.stop.grace),
        }
    }
}
