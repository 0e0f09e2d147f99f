//! How long things may take with a role: its own times, unless BERTH_* says otherwise.

use std::time::Duration;

use berth_role::Role;

use crate::own::{Own, Seconds};

/// A need that does not answer for this long is not coming: an operator has to look.
const NEED_WITHIN: Duration = Duration::from_mins(5);

/// A role whose event loop is busy this long, say with a large mailbox, still lives.
const LIVE_WITHIN: Duration = Duration::from_mins(1);

/// Half of what [`LIVE_WITHIN`] is: less often finds little later what takes so long to find, more often is work.
const LIVE_EVERY: Duration = Duration::from_secs(30);

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
