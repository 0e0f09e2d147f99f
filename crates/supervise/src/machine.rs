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
//!     └─────────────────────────────────────────────────────────── Restarting
//! ```

use std::time::Duration;

use berth_control::State;
use berth_report::Code;
use berth_role::Readiness;
use nix::libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::exit::Exit;
use crate::restart::Restarts;

mod action;
mod drain;
mod event;
mod plan;
mod question;
mod watch;

pub use action::{Action, Ending, Reason};
pub use drain::{HURRY, LOOK_AGAIN};
pub use event::Event;
pub use plan::{Conduct, Plan};
pub use watch::Watch;

use drain::{Drain, Then};
use question::Question;
use watch::Watched;

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
    Ready(Watched),
    Draining(Drain),
    Restarting { until: Duration },
    Ended,
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
            Phase::Ready(_) => State::Ready,
            Phase::Draining(_) => State::Draining,
            Phase::Restarting { .. } => State::Restarting,
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

    /// Whether a stop waits for clients to leave.
    #[must_use]
    pub fn waits_for_clients(&self) -> bool {
        matches!(&self.phase, Phase::Draining(drain) if drain.clients.is_some())
    }

    /// Whether a restart in place would be done now.
    #[must_use]
    pub fn takes_restart(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready(_))
    }

    /// When [`Event::Tick`] is wanted. Nothing at rest, so that a supervisor at rest never wakes, unless it is to watch.
    #[must_use]
    pub fn deadline(&self, plan: &Plan) -> Option<Duration> {
        match (&self.phase, &plan.conduct) {
            (Phase::Waiting { until }, Conduct::Role { .. }) | (Phase::Restarting { until }, _) => {
                Some(*until)
            }
            (Phase::Starting, Conduct::Role { readiness, ready_within, .. }) => {
                let started = self.main?.started;
                let alive = match readiness {
                    Readiness::AliveFor(time) => *time,
                    Readiness::Message => Duration::MAX,
                };
                Some(started.saturating_add(alive.min(*ready_within)))
            }
            (Phase::Ready(watched), _) => watched.question?.due(),
            (Phase::Draining(drain), _) => Some(drain.deadline()),
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
                self.phase = Phase::Ready(Watched::default());
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
        let Conduct::Role { readiness, ready_within, stop, .. } = &plan.conduct else { return };
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
            (Phase::Starting, Event::ReadyMessage) => self.ready(plan, now),
            (Phase::Starting, Event::Tick) => {
                let Some(main) = self.main else { return };
                let lived = now.saturating_sub(main.started);
                if matches!(readiness, Readiness::AliveFor(time) if lived >= *time) {
                    self.ready(plan, now);
                } else if lived >= *ready_within {
                    actions.push(Action::TellNotReady);
                    let then = self.after_failure(plan, now, Then::EndWith(Code::Unavailable), actions);
                    self.drain(plan, now, then, Some(Reason::NotReady));
                    self.advance(plan, now, actions);
                }
            }
            (Phase::Restarting { until }, Event::Tick) if now >= *until => self.again(plan, now, actions),
            (Phase::Ready(_), Event::Tick | Event::Live(_)) => self.watch(plan, now, event, actions),
            (Phase::Draining(drain), Event::Quiet) if drain.clients == Some(Question::Put) => {
                drain.term_now(stop, now);
                self.advance(plan, now, actions);
            }
            (Phase::Draining(drain), Event::Busy) if drain.clients == Some(Question::Put) => {
                drain.clients = Some(Question::Due(now + LOOK_AGAIN));
            }
            (Phase::Draining(drain), Event::NothingLeft) if self.main.is_none() => {
                let (then, exit) = (drain.then, drain.exit);
                self.drained(plan, now, then, exit, actions);
            }
            (Phase::Draining(_), Event::Tick) => self.advance(plan, now, actions),
            _ => {}
        }
    }

    fn asked_to_stop(&mut self, plan: &Plan, now: Duration, signal: i32, actions: &mut Vec<Action>) {
        let Conduct::Role { stop, .. } = &plan.conduct else { return };
        match &mut self.phase {
            Phase::Draining(drain) => {
                drain.asked += 1;
                if drain.asked > 1 {
                    drain.hurry(stop, now);
                }
                // Ours is the last word: what was to start again ends. Its TERM, if it has it, is not repeated.
                if matches!(drain.then, Then::Restart | Then::Pause(_)) {
                    drain.then = Then::End;
                    drain.reason = drain.reason.map(|_| Reason::Signal(signal));
                }
                self.advance(plan, now, actions);
            }
            Phase::Starting | Phase::Ready(_) if self.main.is_some() => {
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
        (drain.clients, drain.term_main) = (None, None);
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

    fn ready(&mut self, plan: &Plan, now: Duration) {
        if let Some(main) = &mut self.main {
            main.ready = Some(now);
            self.phase = Phase::Ready(Watched::from(plan.watch.as_ref(), now));
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
