//! The decisions of a supervisor: a state, an event, and what is to be done about it.
//!
//! Nothing here does anything. Time comes in with each event, as the time since the supervisor began, and
//! [`Machine::deadline`] says when it wants to be woken, or that it does not.
//!
//! ```text
//!            needs answered       ready           TERM, HUP, failure
//!  Waiting ────────────────▶ Starting ────▶ Ready ────────────────▶ Draining ─▶ Ended
//!     ▲                          └──────────────────────────────────▶   │ │
//!     └──────────────────────────── restart ◀───────────────────────────┘ ▼
//!     └──────────────────────────────────────────────────────────────  Pausing
//! ```

use std::time::Duration;

use berth_control::State;
use berth_report::Code;
use berth_role::Readiness;
use nix::libc::{SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1};

use crate::exit::Exit;
use crate::restart::Restarts;

mod action;
mod event;
mod plan;

pub use action::{Action, Ending, Reason};
pub use event::Event;
pub use plan::{Conduct, Plan};

/// A second TERM leaves this much of the grace: whoever sends it is in a hurry, and KILL at once loses mail.
pub const HURRY: Duration = Duration::from_secs(3);

/// The kernel needs a moment to make an end of what got KILL; what outlasts this is in an uninterruptible
/// sleep, and waiting longer would only hide it.
const KILL_TAKES: Duration = Duration::from_secs(2);

/// A process may fork between the look at the process table and the KILL, so KILL is repeated.
const KILL_AGAIN: Duration = Duration::from_millis(100);

/// The state of a supervisor.
#[derive(Debug, Clone)]
pub struct Machine {
    phase: Phase,
    /// When the phase was entered.
    entered: Duration,
    main: Option<Main>,
    restarts: Restarts,
}

#[derive(Debug, Clone, Copy)]
struct Main {
    started: Duration,
    ready: Option<Duration>,
    stopped: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    Waiting { until: Duration },
    Starting,
    Ready,
    Draining(Drain),
    Pausing { until: Duration },
    Ended,
}

/// A stop under way. Each time is when something is due; what is done is not due again.
#[derive(Debug, Clone)]
struct Drain {
    then: Then,
    reason: Option<Reason>,
    /// How often an end was asked for.
    asked: u32,
    term_main: Option<Duration>,
    term_rest: Option<Duration>,
    kill: Duration,
    /// When we end whatever is left; set once KILL was sent.
    give_up: Option<Duration>,
    /// The main process's end, once it has come.
    exit: Option<Exit>,
}

/// What follows a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The end, with the main process's code.
    End,
    /// The end, with a verdict of our own.
    EndWith(Code),
    /// Another start, at once.
    Restart,
    /// Another start, after a pause.
    Pause(Duration),
}

impl Machine {
    /// A supervisor at its begin, and the first thing to do.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> (Self, Vec<Action>) {
        let phase = Phase::Waiting { until: plan.need_within };
        let restarts = Restarts::new(seed);
        (Self { phase, entered: Duration::ZERO, main: None, restarts }, vec![Action::AskNeeds])
    }

    /// The state's name, for whoever asks.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Waiting { .. } => State::Waiting,
            Phase::Starting => State::Starting,
            Phase::Ready => State::Ready,
            Phase::Draining(_) => State::Draining,
            Phase::Pausing { .. } => State::Pausing,
            Phase::Ended => State::Ended,
        }
    }

    /// When the state was entered.
    #[must_use]
    pub fn entered(&self) -> Duration {
        self.entered
    }

    /// How long the main process took to get ready, once it was.
    #[must_use]
    pub fn ready_after(&self) -> Option<Duration> {
        self.main.and_then(|main| main.ready.map(|ready| ready.saturating_sub(main.started)))
    }

    /// Whether the main process was stopped by a signal.
    #[must_use]
    pub fn main_is_stopped(&self) -> bool {
        self.main.is_some_and(|main| main.stopped)
    }

    /// How often the main process was started again.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts.count()
    }

    /// Whether a restart in place would be done now.
    #[must_use]
    pub fn takes_restart(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready)
    }

    /// When [`Event::Tick`] is wanted. Nothing at rest, so that a supervisor at rest never wakes.
    #[must_use]
    pub fn deadline(&self, plan: &Plan) -> Option<Duration> {
        match (&self.phase, &plan.conduct) {
            (Phase::Waiting { until }, Conduct::Role { .. }) | (Phase::Pausing { until }, _) => Some(*until),
            (Phase::Starting, Conduct::Role { readiness, ready_within, .. }) => {
                let started = self.main?.started;
                let alive = match readiness {
                    Readiness::AliveFor(time) => *time,
                    Readiness::Message => Duration::MAX,
                };
                Some(started.saturating_add(alive.min(*ready_within)))
            }
            (Phase::Draining(drain), _) => {
                Some([drain.term_main, drain.term_rest].into_iter().flatten().fold(drain.kill, Duration::min))
            }
            _ => None,
        }
    }

    /// Takes an event and says what is to be done about it, in order.
    pub fn step(&mut self, plan: &Plan, now: Duration, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let before = self.state();
        if !matches!(self.phase, Phase::Ended) {
            match &plan.conduct {
                Conduct::Plain => self.plain(now, event, &mut actions),
                Conduct::Role { .. } => self.role(plan, now, event, &mut actions),
            }
        }
        if self.state() != before {
            self.entered = now;
        }
        actions
    }

    fn plain(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::NeedsAnswered => {
                self.phase = Phase::Starting;
                actions.push(Action::Start);
            }
            Event::Started => {
                self.main = Some(Main { started: now, ready: Some(now), stopped: false });
                self.phase = Phase::Ready;
            }
            Event::CannotStart(code) => self.end(code.number(), actions),
            Event::Signal(signal) if self.main.is_some() => actions.push(Action::SignalMain(signal)),
            Event::MainStopped(stopped) => self.main_stopped(stopped),
            Event::MainEnded(exit) => self.end(exit.code(), actions),
            _ => {}
        }
    }

    fn role(&mut self, plan: &Plan, now: Duration, event: Event, actions: &mut Vec<Action>) {
        let Conduct::Role { forward_usr1, .. } = &plan.conduct else { return };
        match event {
            Event::Signal(signal @ (SIGTERM | SIGINT)) => self.asked_to_stop(plan, now, signal, actions),
            Event::Signal(SIGHUP) if self.takes_restart() => actions.push(Action::CheckSettings),
            Event::Signal(SIGHUP) => actions.push(Action::TellHeldBack(SIGHUP)),
            Event::Signal(SIGUSR1) if !forward_usr1 => actions.push(Action::TellHeldBack(SIGUSR1)),
            Event::Signal(signal) if self.main.is_some() => actions.push(Action::SignalMain(signal)),
            Event::Restart if self.takes_restart() => {
                self.drain(plan, now, Then::Restart, Some(Reason::Restart));
                self.advance(plan, now, actions);
            }
            Event::MainStopped(stopped) => {
                self.main_stopped(stopped);
                // A stopped process cannot end. Once its TERM is sent, it has to run to receive it.
                let termed = matches!(&self.phase, Phase::Draining(drain) if drain.term_main.is_none());
                if stopped && termed {
                    actions.push(Action::ContinueMain);
                }
            }
            Event::MainEnded(exit) => self.main_ended(plan, now, exit, actions),
            event => self.progress(plan, now, event, actions),
        }
    }

    /// The way from waiting to ready, and what is due.
    fn progress(&mut self, plan: &Plan, now: Duration, event: Event, actions: &mut Vec<Action>) {
        let Conduct::Role { readiness, ready_within, .. } = &plan.conduct else { return };
        match (&mut self.phase, event) {
            (Phase::Waiting { .. }, Event::NeedsAnswered) => {
                self.phase = Phase::Starting;
                actions.push(Action::Start);
            }
            (Phase::Waiting { until }, Event::Tick) if now >= *until => {
                actions.push(Action::TellNeedsMissed);
                self.end(Code::Unavailable.number(), actions);
            }
            (Phase::Starting, Event::Started) => {
                self.main = Some(Main { started: now, ready: None, stopped: false });
            }
            (Phase::Starting, Event::CannotStart(code)) => self.end(code.number(), actions),
            (Phase::Starting, Event::ReadyMessage) => self.ready(now),
            (Phase::Starting, Event::Tick) => {
                let Some(main) = self.main else { return };
                let lived = now.saturating_sub(main.started);
                if matches!(readiness, Readiness::AliveFor(time) if lived >= *time) {
                    self.ready(now);
                } else if lived >= *ready_within {
                    actions.push(Action::TellNotReady);
                    let then = self.after_failure(plan, now, Then::EndWith(Code::Unavailable), actions);
                    self.drain(plan, now, then, Some(Reason::NotReady));
                    self.advance(plan, now, actions);
                }
            }
            (Phase::Pausing { until }, Event::Tick) if now >= *until => self.again(plan, now, actions),
            (Phase::Draining(drain), Event::NothingLeft) if self.main.is_none() => {
                let (then, exit) = (drain.then, drain.exit);
                self.drained(plan, now, then, exit, actions);
            }
            (Phase::Draining(_), Event::Tick) => self.advance(plan, now, actions),
            _ => {}
        }
    }

    fn asked_to_stop(&mut self, plan: &Plan, now: Duration, signal: i32, actions: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Draining(drain) => {
                drain.asked += 1;
                if drain.asked > 1 {
                    drain.kill = drain.kill.min(now + HURRY);
                    drain.term_main = drain.term_main.map(|_| now);
                }
                // Ours is the last word: what was to start again ends. Its TERM, if it has it, is not repeated.
                if matches!(drain.then, Then::Restart | Then::Pause(_)) {
                    drain.then = Then::End;
                    drain.reason = drain.reason.map(|_| Reason::Signal(signal));
                }
                self.advance(plan, now, actions);
            }
            Phase::Starting | Phase::Ready if self.main.is_some() => {
                self.drain(plan, now, Then::End, Some(Reason::Signal(signal)));
                self.advance(plan, now, actions);
            }
            // As if by TERM, also for INT: nothing was interrupted, there was nothing yet.
            _ => self.end(Exit::Signal(SIGTERM).code(), actions),
        }
    }

    fn main_stopped(&mut self, stopped: bool) {
        if let Some(main) = &mut self.main {
            main.stopped = stopped;
        }
    }

    fn main_ended(&mut self, plan: &Plan, now: Duration, exit: Exit, actions: &mut Vec<Action>) {
        let Some(main) = self.main.take() else { return };
        if !matches!(self.phase, Phase::Draining(_)) {
            let then = self.after_failure(plan, now, Then::End, actions);
            self.drain(plan, now, then, None);
        }
        let Phase::Draining(drain) = &mut self.phase else { return };
        drain.exit = Some(exit);
        drain.term_main = None;
        // With main gone nobody is left who would tell the rest.
        drain.term_rest = drain.term_rest.map(|_| now);
        let asked = drain.reason;
        let normal = asked.is_some() && plan.is_normal(exit);
        actions.push(Action::TellEnd(Ending {
            exit,
            asked,
            lived: now.saturating_sub(main.started),
            normal,
            cut_off: drain.give_up.is_some(),
        }));
        self.advance(plan, now, actions);
    }

    fn ready(&mut self, now: Duration) {
        if let Some(main) = &mut self.main {
            main.ready = Some(now);
            self.phase = Phase::Ready;
        }
    }

    /// What follows a failure that nobody asked for: another start while the budget lasts, else the end.
    fn after_failure(&mut self, plan: &Plan, now: Duration, end: Then, actions: &mut Vec<Action>) -> Then {
        let Some(budget) = &plan.restart else { return end };
        self.restarts.spend(budget, now).map_or_else(
            || {
                actions.push(Action::TellBudgetSpent);
                end
            },
            Then::Pause,
        )
    }

    fn drain(&mut self, plan: &Plan, now: Duration, then: Then, reason: Option<Reason>) {
        let Conduct::Role { delay, stop, .. } = &plan.conduct else { return };
        let was_ready = matches!(self.phase, Phase::Ready) && self.main.is_some();
        let delay = if was_ready { *delay } else { Duration::ZERO };
        // A time may be as good as endless, so sums saturate.
        let term = now.saturating_add(delay);
        self.phase = Phase::Draining(Drain {
            then,
            reason,
            asked: u32::from(matches!(reason, Some(Reason::Signal(_)))),
            term_main: self.main.map(|_| term),
            term_rest: Some(term.saturating_add(stop.drain)),
            kill: term.saturating_add(stop.grace),
            give_up: None,
            exit: None,
        });
    }

    /// Does what is due in a drain.
    fn advance(&mut self, plan: &Plan, now: Duration, actions: &mut Vec<Action>) {
        let Phase::Draining(drain) = &mut self.phase else { return };
        if drain.term_main.take_if(|due| now >= *due).is_some() {
            actions.push(Action::SignalMain(SIGTERM));
            if self.main.is_some_and(|main| main.stopped) {
                actions.push(Action::ContinueMain);
            }
        }
        if drain.term_rest.take_if(|due| now >= *due).is_some() {
            actions.push(Action::TermRest);
        }
        if now >= drain.kill {
            actions.push(Action::KillAll);
            drain.kill = now + KILL_AGAIN;
            (drain.term_main, drain.term_rest) = (None, None);
            let give_up = *drain.give_up.get_or_insert(now + KILL_TAKES);
            if now >= give_up {
                // Beside a main process that cannot die no second one is started.
                let then = if self.main.is_some() { Then::End } else { drain.then };
                let exit = drain.exit;
                self.drained(plan, now, then, exit, actions);
            }
        }
    }

    fn drained(
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
                self.phase = Phase::Pausing { until: now + pause };
                actions.push(Action::TellPause(pause));
            }
        }
    }

    fn again(&mut self, plan: &Plan, now: Duration, actions: &mut Vec<Action>) {
        self.restarts.started();
        self.phase = Phase::Waiting { until: now.saturating_add(plan.need_within) };
        actions.push(Action::AskNeeds);
    }

    fn end(&mut self, code: u8, actions: &mut Vec<Action>) {
        self.main = None;
        self.phase = Phase::Ended;
        actions.push(Action::End(code));
    }
}
