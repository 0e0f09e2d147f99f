//! What the supervisor decides, whatever happens in whatever order: properties over arbitrary sequences of
//! events, on a small world that obeys it.

use std::time::Duration;

use berth_control::State;
use berth_report::Code;
use berth_role::{Readiness, Stop};
use berth_supervise::machine::{Action, Conduct, Event, HURRY, Machine, Plan};
use berth_supervise::{Budget, Exit};
use nix::libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use proptest::prelude::*;

const GRACE: Duration = Duration::from_secs(15);
const DRAIN: Duration = Duration::from_secs(5);
const DELAY: Duration = Duration::from_secs(2);

fn plan(readiness: Readiness, restart: Option<Budget>) -> Plan {
    Plan {
        conduct: Conduct::Role {
            readiness,
            ready_within: Duration::from_mins(1),
            delay: DELAY,
            stop: Stop { drain: DRAIN, grace: GRACE, normal: &[0, 1, 130, 143] },
            forward_usr1: false,
        },
        need_within: Duration::from_mins(5),
        restart,
    }
}

/// Something that may happen to a supervisor from outside.
#[derive(Debug, Clone, Copy)]
enum Happening {
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
}

fn happening() -> impl Strategy<Value = Happening> {
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
    ]
}

/// A world that does what the machine says, and remembers what matters.
#[allow(clippy::struct_excessive_bools)] // They are independent facts, not a state.
struct World {
    plan: Plan,
    machine: Machine,
    now: Duration,
    asking: bool,
    cannot_start: Option<Code>,
    main: bool,
    orphans: bool,
    last_exit: Option<Exit>,
    ever_started: bool,
    /// TERMs that this main process got from us.
    terms: u32,
    /// When KILL may come at the earliest, in this stop.
    kill_from: Option<Duration>,
    stops_asked: u32,
    stopping: bool,
    end: Option<u8>,
    verdict: bool,
}

impl World {
    fn new(plan: Plan) -> Self {
        let (machine, actions) = Machine::new(&plan, 42);
        assert_eq!(actions, [Action::AskNeeds]);
        Self {
            plan,
            machine,
            now: Duration::ZERO,
            asking: true,
            cannot_start: None,
            main: false,
            orphans: false,
            last_exit: None,
            ever_started: false,
            terms: 0,
            kill_from: None,
            stops_asked: 0,
            stopping: false,
            end: None,
            verdict: false,
        }
    }

    fn give(&mut self, event: Event) {
        if self.end.is_some() {
            return;
        }
        let before = self.machine.state();
        let actions = self.machine.step(&self.plan, self.now, event);
        if self.machine.state() == State::Draining && before != State::Draining {
            let delay = if before == State::Ready && !matches!(event, Event::MainEnded(_)) {
                DELAY
            } else {
                Duration::ZERO
            };
            self.kill_from = Some(self.now + delay + GRACE);
            self.stops_asked = 0;
        }
        if matches!(event, Event::Signal(SIGTERM | SIGINT)) && self.machine.state() == State::Draining {
            self.stops_asked += 1;
            if self.stops_asked > 1 {
                self.kill_from = self.kill_from.map(|from| from.min(self.now + HURRY));
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
                (self.main, self.ever_started, self.terms) = (true, true, 0);
                self.give(Event::Started);
            }
            Action::CheckSettings => self.give(Event::Restart),
            Action::SignalMain(SIGTERM) => {
                self.terms += 1;
                assert_eq!(self.terms, 1, "a second TERM to the same main process");
            }
            Action::SignalMain(signal) => {
                assert!(![SIGINT, SIGHUP, SIGUSR1].contains(signal), "passed on: {signal}");
            }
            Action::KillAll => {
                let from = self.kill_from.expect("KILL without a stop");
                assert!(self.now >= from, "KILL at {:?}, allowed from {from:?}", self.now);
            }
            Action::TellNotReady | Action::TellNeedsMissed => self.verdict = true,
            Action::End(code) => self.end = Some(*code),
            Action::ContinueMain
            | Action::TermRest
            | Action::TellEnd(_)
            | Action::TellHeldBack(_)
            | Action::TellPause(_)
            | Action::TellBudgetSpent => {}
        }
    }

    fn happen(&mut self, happening: Happening) {
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
            Happening::MainStops(stopped) if self.main => self.give(Event::MainStopped(stopped)),
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

    /// Lets time pass, waking the machine when it wants to be woken.
    fn pass(&mut self, time: Duration) {
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

    fn check(&self) {
        let state = self.machine.state();
        assert!(state != State::Ready || self.main, "ready without a main process");
        assert!(state != State::Ready || self.terms == 0, "ready while draining");
        assert!(state != State::Ready || self.machine.deadline(&self.plan).is_none(), "a timer at rest");
        if let Some(code) = self.end {
            let by_main = self.last_exit.map(Exit::code) == Some(code);
            let killed = self.main && code == 137;
            let ours = self.verdict && [69, 126, 127].contains(&code);
            let stopped_without_main = code == 143 && self.stopping && !self.main;
            assert!(by_main || killed || ours || stopped_without_main, "where does {code} come from?");
        }
    }
}

fn readiness() -> impl Strategy<Value = Readiness> {
    prop_oneof![Just(Readiness::Message), Just(Readiness::AliveFor(Duration::from_secs(5)))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// TERM to main once per stop; KILL never before the grace, as shortened, is over; never ready while draining;
    /// never two main processes; the exit code is main's or one of our own verdicts; no timer at rest.
    #[test]
    fn whatever_happens_the_rules_hold(
        readiness in readiness(),
        restarts in any::<bool>(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(plan(readiness, restarts.then(Budget::default)));
        for happening in happenings {
            world.happen(happening);
            world.check();
        }
    }

    /// After TERM an end is reached in bounded time even when nothing in the world does its part.
    #[test]
    fn after_a_stop_an_end_is_always_reached(
        readiness in readiness(),
        restarts in any::<bool>(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(plan(readiness, restarts.then(Budget::default)));
        for happening in happenings {
            world.happen(happening);
        }
        world.give(Event::Signal(SIGTERM));
        world.pass(DELAY + GRACE + Duration::from_secs(3));
        prop_assert!(world.end.is_some(), "still {:?}", world.machine.state());
    }

    /// A plain init passes every signal on and ends with its program's code.
    #[test]
    fn a_plain_init_holds_nothing_back(signals in prop::collection::vec(1..=64i32, 0..20), code in any::<u8>()) {
        let plan = Plan { conduct: Conduct::Plain, need_within: Duration::MAX, restart: None };
        let (mut machine, _) = Machine::new(&plan, 1);
        let now = Duration::from_secs(1);
        prop_assert_eq!(machine.step(&plan, now, Event::NeedsAnswered), [Action::Start]);
        prop_assert_eq!(machine.step(&plan, now, Event::Started), []);
        prop_assert_eq!(machine.deadline(&plan), None);
        for signal in signals {
            prop_assert_eq!(machine.step(&plan, now, Event::Signal(signal)), [Action::SignalMain(signal)]);
        }
        prop_assert_eq!(machine.step(&plan, now, Event::MainEnded(Exit::Code(code))), [Action::End(code)]);
    }
}

#[test]
fn an_unasked_end_is_no_normal_end_even_with_zero() {
    let mut world = World::new(plan(Readiness::Message, None));
    world.happen(Happening::NeedsAnswer);
    world.happen(Happening::SaysReady);
    let actions = world.machine.step(&world.plan, world.now, Event::MainEnded(Exit::Code(0)));
    assert!(
        actions.iter().any(
            |action| matches!(action, Action::TellEnd(ending) if !ending.normal && ending.asked.is_none())
        )
    );
}

#[test]
fn a_restart_that_is_overtaken_by_a_stop_ends() {
    let mut world = World::new(plan(Readiness::Message, None));
    world.happen(Happening::NeedsAnswer);
    world.happen(Happening::SaysReady);
    world.happen(Happening::AskRestart);
    world.happen(Happening::Pass(3_000));
    world.happen(Happening::Signal(SIGTERM));
    world.happen(Happening::MainEnds(Exit::Code(0)));
    assert_eq!(world.end, Some(0));
}
