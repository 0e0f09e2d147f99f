//! A small world around a machine: it does what the machine says, remembers what matters, and minds the rules.

use std::time::Duration;

use berth_control::State;
use berth_report::Code;
use berth_role::{Readiness, Stop};
use berth_supervise::machine::{Action, Conduct, Event, HURRY, LOOK_AGAIN, Machine, Plan, Watch};
use berth_supervise::{Budget, Exit};
use nix::libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use proptest::prelude::*;

pub const GRACE: Duration = Duration::from_secs(15);
pub const DRAIN: Duration = Duration::from_secs(5);
/// What the drain leaves of the grace.
pub const ROOM: Duration = Duration::from_secs(10);
pub const DELAY: Duration = Duration::from_secs(2);
pub const QUIET: Duration = Duration::from_secs(6);
pub const WATCH: Watch = Watch { every: Duration::from_secs(10), failures: 3, of: 5 };

/// What differs between the plans that are tried.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // They are independent choices, not a state.
pub struct Choice {
    pub readiness: Readiness,
    pub quiet: bool,
    pub restarts: bool,
    pub watches: bool,
    pub forwards_usr1: bool,
}

/// A role without anything optional.
pub const BARE: Choice = Choice {
    readiness: Readiness::Message,
    quiet: false,
    restarts: false,
    watches: false,
    forwards_usr1: false,
};

pub fn choice() -> impl Strategy<Value = Choice> {
    let readiness = prop_oneof![Just(Readiness::Message), Just(Readiness::AliveFor(Duration::from_secs(5)))];
    (readiness, any::<[bool; 4]>()).prop_map(|(readiness, [quiet, restarts, watches, forwards_usr1])| {
        Choice { readiness, quiet, restarts, watches, forwards_usr1 }
    })
}

pub fn plan(Choice { readiness, quiet, restarts, watches, forwards_usr1 }: Choice) -> Plan {
    Plan {
        conduct: Conduct::Role {
            readiness,
            ready_within: Duration::from_mins(1),
            delay: DELAY,
            stop: Stop { quiet: quiet.then_some(QUIET), drain: DRAIN, grace: GRACE, normal: Stop::USUAL },
            forward_usr1: forwards_usr1,
        },
        need_within: Duration::from_mins(5),
        restart: restarts.then(Budget::default),
        watch: watches.then_some(WATCH),
    }
}

/// Something that may happen to a supervisor from outside.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    Pass(u16),
    NeedsAnswer,
    SaysReady,
    Signal(i32),
    AskRestart,
    MainEnds(Exit),
    MainStops(bool),
    OrphansEnd,
    OrphanComes,
    CannotStart(Code),
    ClientsCome,
    ClientsLeave,
    /// To the question whether it lives.
    Answers(bool),
    /// An answer to a question that nobody asked.
    Stray(Event),
}

pub fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        8 => (0u16..20_000).prop_map(Pass),
        4 => Just(NeedsAnswer),
        4 => Just(SaysReady),
        4 => prop::sample::select(vec![SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]).prop_map(Signal),
        1 => Just(AskRestart),
        2 => prop_oneof![
            any::<u8>().prop_map(Exit::Code),
            prop::sample::select(vec![1, 6, 9, 11, 15, 40]).prop_map(Exit::Signal),
        ].prop_map(MainEnds),
        1 => any::<bool>().prop_map(MainStops),
        2 => Just(OrphansEnd),
        2 => Just(OrphanComes),
        1 => prop::sample::select(vec![Code::CannotRun, Code::NotFound]).prop_map(CannotStart),
        2 => Just(ClientsCome),
        2 => Just(ClientsLeave),
        4 => any::<bool>().prop_map(Answers),
        1 => prop::sample::select(vec![Event::Quiet, Event::Busy, Event::Live(false)]).prop_map(Stray),
    ]
}

/// A world that does what the machine says, and remembers what matters.
#[allow(clippy::struct_excessive_bools)] // They are independent facts, not a state.
pub struct World {
    pub plan: Plan,
    pub machine: Machine,
    pub now: Duration,
    asking: bool,
    cannot_start: Option<Code>,
    main: bool,
    main_stopped: bool,
    orphans: bool,
    clients: bool,
    /// Since when nobody is connected.
    alone_since: Duration,
    /// It was asked whether it lives, and has not answered.
    asked_live: bool,
    /// What it answered since it was started.
    pub lives: Vec<bool>,
    last_exit: Option<Exit>,
    ever_started: bool,
    /// TERMs that this main process got from us.
    pub terms: u32,
    /// When a stop of what has clients begins, delay included.
    serving_stop: Option<Duration>,
    /// Everybody but main got TERM in this stop.
    rest_termed: bool,
    /// When KILL may come at the earliest, in this stop.
    kill_from: Option<Duration>,
    hurried: bool,
    stops_asked: u32,
    stopping: bool,
    pub end: Option<u8>,
    verdict: bool,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let (machine, actions) = Machine::new(&plan, 42);
        assert_eq!(actions, [Action::AskNeeds]);
        Self {
            plan,
            machine,
            now: Duration::ZERO,
            asking: true,
            cannot_start: None,
            main: false,
            main_stopped: false,
            orphans: false,
            clients: false,
            alone_since: Duration::ZERO,
            asked_live: false,
            lives: Vec::new(),
            last_exit: None,
            ever_started: false,
            terms: 0,
            serving_stop: None,
            rest_termed: false,
            kill_from: None,
            hurried: false,
            stops_asked: 0,
            stopping: false,
            end: None,
            verdict: false,
        }
    }

    pub fn give(&mut self, event: Event) {
        if self.end.is_some() {
            return;
        }
        let before = self.machine.state();
        let actions = self.machine.step(&self.plan, self.now, event);
        if self.machine.state() == State::Draining && before != State::Draining {
            let serves = before == State::Ready && !matches!(event, Event::MainEnded(_) | Event::Live(_));
            let begin = self.now + if serves { DELAY } else { Duration::ZERO };
            self.serving_stop = serves.then_some(begin);
            self.kill_from = Some(begin + GRACE);
            (self.stops_asked, self.rest_termed, self.hurried) = (0, false, false);
        }
        self.asked_live &= self.machine.state() == State::Ready;
        if matches!(event, Event::Signal(SIGTERM | SIGINT)) && self.machine.state() == State::Draining {
            self.stops_asked += 1;
            if self.stops_asked > 1 {
                self.kill_from = self.kill_from.map(|from| from.min(self.now + HURRY));
                self.hurried = true;
            }
        }
        if matches!(event, Event::Signal(SIGTERM | SIGINT)) {
            self.stopping = true;
        }
        for action in actions {
            self.obey(&action);
        }
    }

    fn obey(&mut self, action: &Action) {
        assert!(self.end.is_none(), "{action:?} after the end");
        match action {
            Action::AskNeeds => self.asking = true,
            Action::Start => {
                assert!(!self.main, "a second main process");
                if let Some(code) = self.cannot_start {
                    self.verdict = true;
                    return self.give(Event::CannotStart(code));
                }
                (self.main, self.ever_started, self.terms, self.main_stopped) = (true, true, 0, false);
                self.serving_stop = None;
                self.lives.clear();
                self.give(Event::Started);
            }
            Action::CheckSettings => self.give(Event::Restart),
            Action::SignalMain(SIGTERM) => {
                self.terms += 1;
                assert_eq!(self.terms, 1, "a second TERM to the same main process");
                if let Some(begin) = self.serving_stop.filter(|_| !self.hurried) {
                    let Conduct::Role { stop, .. } = &self.plan.conduct else { unreachable!() };
                    let may_wait = stop.quiet.filter(|_| self.clients).unwrap_or_default().min(ROOM);
                    assert!(
                        self.now >= begin + may_wait,
                        "TERM while clients are connected, at {:?}",
                        self.now
                    );
                }
            }
            Action::LookForClients => {
                assert!(self.main && self.terms == 0 && self.serving_stop.is_some(), "a look for nothing");
                self.give(if self.clients { Event::Busy } else { Event::Quiet });
            }
            Action::AskWhetherLive => {
                assert!(!self.asked_live, "asked again before the answer");
                assert!(!self.main_stopped, "who is stopped cannot answer");
                assert_eq!(self.machine.state(), State::Ready);
                self.asked_live = true;
            }
            Action::TermRest => self.rest_termed = true,
            Action::TellWedged => {
                assert!(self.silences() >= WATCH.failures, "wedged after {:?}", self.lives);
                self.verdict = true;
            }
            Action::SignalMain(signal) => {
                assert!(![SIGINT, SIGHUP].contains(signal), "passed on: {signal}");
                assert!(*signal != SIGUSR1 || self.forwards_usr1(), "USR1 was passed on");
            }
            Action::KillAll => {
                let from = self.kill_from.expect("KILL without a stop");
                assert!(self.now >= from, "KILL at {:?}, allowed from {from:?}", self.now);
                assert!(self.rest_termed, "KILL without TERM before");
            }
            Action::TellHeldBack(signal) => {
                assert!(*signal != SIGUSR1 || !self.forwards_usr1(), "USR1 was held back");
            }
            Action::TellNotReady | Action::TellNeedsMissed => self.verdict = true,
            Action::End(code) => self.end = Some(*code),
            Action::ContinueMain
            | Action::TellClientsLeft
            | Action::TellEnd(_)
            | Action::TellPause(_)
            | Action::TellBudgetSpent => {}
        }
    }

    fn forwards_usr1(&self) -> bool {
        matches!(self.plan.conduct, Conduct::Role { forward_usr1: true, .. })
    }

    pub fn happen(&mut self, happening: Happening) {
        if self.end.is_some() {
            return;
        }
        match happening {
            Happening::Pass(milliseconds) => self.pass(Duration::from_millis(u64::from(milliseconds))),
            Happening::NeedsAnswer if self.asking => {
                self.asking = false;
                self.give(Event::NeedsAnswered);
            }
            Happening::SaysReady if self.main => self.give(Event::ReadyMessage),
            Happening::Signal(signal) => self.give(Event::Signal(signal)),
            Happening::AskRestart => self.give(Event::Restart),
            Happening::MainEnds(exit) if self.main => {
                (self.main, self.last_exit) = (false, Some(exit));
                self.give(Event::MainEnded(exit));
                if !self.orphans {
                    self.give(Event::NothingLeft);
                }
            }
            Happening::MainStops(stopped) if self.main => {
                self.main_stopped = stopped;
                self.give(Event::MainStopped(stopped));
            }
            Happening::ClientsCome => self.clients = true,
            Happening::ClientsLeave if self.clients => (self.clients, self.alone_since) = (false, self.now),
            Happening::Answers(live) if self.asked_live => {
                self.asked_live = false;
                if !self.main_stopped {
                    self.lives.push(live);
                }
                self.give(Event::Live(live));
            }
            Happening::Stray(Event::Live(_)) if self.asked_live => {}
            Happening::Stray(event) => {
                let before = (self.machine.state(), self.machine.deadline(&self.plan));
                assert_eq!(self.machine.step(&self.plan, self.now, event), [], "{event:?}");
                assert_eq!((self.machine.state(), self.machine.deadline(&self.plan)), before);
            }
            Happening::OrphanComes => self.orphans = self.ever_started,
            Happening::OrphansEnd => {
                self.orphans = false;
                if !self.main {
                    self.give(Event::NothingLeft);
                }
            }
            Happening::CannotStart(code) => self.cannot_start = Some(code),
            _ => {}
        }
    }

    /// How many of the last answers were none.
    fn silences(&self) -> usize {
        self.lives.iter().rev().take(WATCH.of).filter(|live| !**live).count()
    }

    /// Lets time pass, waking the machine when it wants to be woken.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.machine.deadline(&self.plan).filter(|deadline| *deadline <= until) {
            if self.end.is_some() {
                break;
            }
            self.now = self.now.max(deadline);
            self.give(Event::Tick);
        }
        self.now = until;
    }

    pub fn check(&self) {
        let state = self.machine.state();
        assert!(state != State::Ready || self.main, "ready without a main process");
        assert!(state != State::Ready || self.terms == 0, "ready while draining");
        assert!(state != State::Ready || self.serving_stop.is_none(), "ready again without a start");
        let timer = self.machine.deadline(&self.plan);
        let watching = self.plan.watch.is_some() && !self.asked_live;
        assert!(state != State::Ready || timer.is_some() == watching, "a timer at rest, or nobody watches");
        assert!(state != State::Ready || self.silences() < WATCH.failures, "kept after {:?}", self.lives);
        if let Some(begin) = self.serving_stop.filter(|_| self.main && self.terms == 0) {
            let latest = if self.clients { begin + QUIET } else { begin.max(self.alone_since + LOOK_AGAIN) };
            assert!(self.now <= latest.min(begin + QUIET), "no TERM at {:?}, due {latest:?}", self.now);
        }
        if let Some(code) = self.end {
            let by_main = self.last_exit.map(Exit::code) == Some(code);
            let killed = self.main && code == 137;
            let ours = self.verdict && [69, 126, 127].contains(&code);
            let stopped_without_main = code == 143 && self.stopping && !self.main;
            assert!(by_main || killed || ours || stopped_without_main, "where does {code} come from?");
        }
    }
}
