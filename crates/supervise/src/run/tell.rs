//! What the log says of what was done.

use std::time::Duration;

use berth_control::State;
use nix::unistd::Pid;
use tracing::{info, warn};

use super::Supervisor;
use crate::account::Told;
use crate::charge::Charge;
use crate::exit::signal_name;
use crate::machine::{Ending, Reason};

impl<C: Charge> Supervisor<'_, C> {
    pub(super) fn tell(&self, before: State) {
        let state = self.machine.state();
        if state == before || self.is_plain() {
            return;
        }
        let pid = self.main.map(Pid::as_raw);
        if let Some(after) = self.machine.ready_after().filter(|_| state == State::Ready) {
            info!(role = self.charge.name(), pid, after_ms = milliseconds(after), "ready");
        } else {
            info!(role = self.charge.name(), pid, "{}", state.word());
        }
    }

    pub(super) fn tell_end(&mut self, ending: &Ending) {
        let Told { verdict, sender, peak } = self.account.judge(ending, self.program.runtime);
        let Ending { exit, asked, lived, normal, cut_off: _ } = ending;
        let asked = match asked {
            Some(Reason::Signal(number)) => signal_name(*number),
            Some(Reason::Restart) => "restart".to_owned(),
            Some(Reason::NotReady) => "not ready in time".to_owned(),
            Some(Reason::Wedged) => "wedged".to_owned(),
            None => "nobody".to_owned(),
        };
        let (role, lived_ms) = (self.charge.name(), milliseconds(*lived));
        let (peak_rss_bytes, restarts) = (peak.number(), self.machine.restarts());
        // The level is the only difference, and tracing wants it at compile time.
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    role, %exit, %verdict, asked_by = asked, sender, lived_ms, normal, peak_rss_bytes, restarts,
                    "main process ended"
                )
            };
        }
        if *normal { tell!(info) } else { tell!(warn) }
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
