//! A stop under way: what follows it, and what is due when.

use std::time::Duration;

use berth_report::Code;
use berth_role::Stop;
use nix::libc::{SIGKILL, SIGTERM};

use super::action::{Action, Reason};
use super::plan::{Conduct, Plan};
use super::question::Question;
use super::{Machine, Phase};
use crate::exit::Exit;

/// A second TERM leaves this much of the grace: whoever sends it is in a hurry, and KILL at once loses mail.
pub const HURRY: Duration = Duration::from_secs(3);

/// From one look for clients to the next. Longer than the table of connections of a busy host takes to read, and shorter
/// than clients stay away that come one after the other.
pub const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The kernel needs a moment to make an end of what got KILL; what outlasts this is in an uninterruptible
/// sleep, and waiting longer would only hide it.
const KILL_TAKES: Duration = Duration::from_secs(2);

/// A process may fork between the look at the process table and the KILL, so KILL is repeated.
const KILL_AGAIN: Duration = Duration::from_millis(100);

/// A stop under way. Each time is when something is due; what is done is not due again.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    pub then: Then,
    pub reason: Option<Reason>,
    /// How often an end was asked for.
    pub asked: u32,
    /// Whether clients are connected, while a moment without them is waited for.
    pub clients: Option<Question>,
    pub term_main: Option<Duration>,
    pub term_rest: Option<Duration>,
    pub kill: Duration,
    /// When we end whatever is left; set once KILL was sent.
    pub give_up: Option<Duration>,
    /// The main process's end, once it has come.
    pub exit: Option<Exit>,
}

/// What follows a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The end, with the main process's code.
    End,
    /// The end, with a verdict of our own.
    EndWith(Code),
    /// Another start, at once.
    Restart,
    /// Another start, after a pause.
    Pause(Duration),
}

impl Drain {
    /// A stop of what has no clients: main has ended, was never ready, or does not answer.
    pub fn at_once(stop: &Stop, now: Duration, then: Then, reason: Option<Reason>) -> Self {
        // A time may be as good as endless, so sums saturate.
        Self {
            then,
            reason,
            asked: u32::from(matches!(reason, Some(Reason::Signal(_)))),
            clients: None,
            term_main: Some(now),
            term_rest: Some(now.saturating_add(stop.drain)),
            kill: now.saturating_add(stop.grace),
            give_up: None,
            exit: None,
        }
    }

    /// A stop of what has clients: everything is put off by the delay, and TERM waits for a quiet moment, for as long as
    /// the grace still has room for the drain.
    pub fn with_clients(mut self, stop: &Stop, now: Duration, delay: Duration) -> Self {
        let begin = now.saturating_add(delay);
        let quiet = stop.quiet.unwrap_or_default().min(stop.grace.saturating_sub(stop.drain));
        let term = begin.saturating_add(quiet);
        self.clients = (!quiet.is_zero()).then_some(Question::Due(begin));
        self.term_main = Some(term);
        self.term_rest = Some(term.saturating_add(stop.drain));
        self.kill = begin.saturating_add(stop.grace);
        self
    }

    /// Nobody is waited for any longer.
    pub fn term_now(&mut self, stop: &Stop, now: Duration) {
        self.clients = None;
        self.term_main = self.term_main.map(|_| now);
        self.term_rest = self.term_rest.map(|due| due.min(now.saturating_add(stop.drain)));
    }

    /// Somebody is in a hurry. The rest gets its TERM before the KILL all the same.
    pub fn hurry(&mut self, stop: &Stop, now: Duration) {
        self.term_now(stop, now);
        self.term_rest = self.term_rest.map(|due| due.min(now + HURRY / 2));
        self.kill = self.kill.min(now + HURRY);
    }

    /// When the next thing is due.
    pub fn deadline(&self) -> Duration {
        let look = self.clients.and_then(Question::due);
        [look, self.term_main, self.term_rest].into_iter().flatten().fold(self.kill, Duration::min)
    }
}

impl Machine {
    pub(super) fn drain(&mut self, plan: &Plan, now: Duration, then: Then, reason: Option<Reason>) {
        let Conduct::Role { delay, stop, .. } = &plan.conduct else { return };
        let mut drain = Drain::at_once(stop, now, then, reason);
        let serves = matches!(self.phase, Phase::Ready(_)) && reason != Some(Reason::Wedged);
        if self.main.is_none() {
            drain.term_main = None;
        } else if serves {
            drain = drain.with_clients(stop, now, *delay);
        }
        self.phase = Phase::Draining(drain);
    }

    /// Does what is due in a drain.
    pub(super) fn advance(&mut self, plan: &Plan, now: Duration, actions: &mut Vec<Action>) {
        let Phase::Draining(drain) = &mut self.phase else { return };
        if drain.term_main.take_if(|due| now >= *due).is_some() {
            if drain.clients.take().is_some() {
                actions.push(Action::TellClientsLeft);
            }
            actions.push(Action::SignalMain(SIGTERM));
            if self.main.is_some_and(|main| main.stopped) {
                actions.push(Action::ContinueMain);
            }
        }
        if drain.clients.as_mut().is_some_and(|clients| clients.put(now)) {
            actions.push(Action::LookForClients);
        }
        if drain.term_rest.take_if(|due| now >= *due).is_some() {
            actions.push(Action::TermRest);
        }
        if now >= drain.kill {
            actions.push(Action::KillAll);
            drain.kill = now + KILL_AGAIN;
            (drain.clients, drain.term_main, drain.term_rest) = (None, None, None);
            let give_up = *drain.give_up.get_or_insert(now + KILL_TAKES);
            if now >= give_up {
                // Beside a main process that cannot die no second one is started.
                let then = if self.main.is_some() { Then::End } else { drain.then };
                let exit = drain.exit;
                self.drained(plan, now, then, exit, actions);
            }
        }
    }

    pub(super) fn drained(
        &mut self,
        plan: &Plan,
        now: Duration,
        then: Then,
        exit: Option<Exit>,
        actions: &mut Vec<Action>,
    ) {
        match then {
            Then::EndWith(code) => self.end(code.number(), actions),
            // Main outlived its KILL: what the code would be, had it come.
            Then::End => self.end(exit.unwrap_or(Exit::Signal(SIGKILL)).code(), actions),
            Then::Restart => self.again(plan, now, actions),
            Then::Pause(pause) => {
                self.phase = Phase::Restarting { until: now + pause };
                actions.push(Action::TellPause(pause));
            }
        }
    }
}
