//! What the supervisor decides, whatever happens in whatever order: properties over arbitrary sequences of
//! events, on a small world that obeys it.

use std::time::Duration;

use berth_control::State;
use berth_report::Code;
use berth_role::{Readiness, Stop};
use berth_supervise::machine::{Action, Conduct, Event, HURRY, LOOK_AGAIN, Machine, Plan, Watch};
use berth_supervise::{Budget, Exit};
use nix::libc::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use proptest::prelude::*;

const GRACE: Duration = Duration::from_secs(15);
const DRAIN: Duration = Duration::from_secs(5);
const DELAY: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(6);
const WATCH: Watch = Watch { every: Duration::from_secs(10), failures: 3, of: 5 };

/// What differs between the plans that are tried.
#[derive(Debug, Clone, Copy)]
struct Choice {
    readiness: Readiness,
    quiet: bool,
    restarts: bool,
    watches: bool,
}

/// A role without anything optional.
const BARE: Choice = Choice { readiness: Readiness::Message, quiet: false, restarts: false, watches: false };

fn choice() -> impl Strategy<Value = Choice> {
    let readiness = prop_oneof![Just(Readiness::Message), Just(Readiness::AliveFor(Duration::from_secs(5)))];
    (readiness, any::<[bool; 3]>()).prop_map(|(readiness, [quiet, restarts, watches])| Choice {
        readiness,
        quiet,
        restarts,
        watches,
    })
}

fn plan(Choice { readiness, quiet, restarts, watches }: Choice) -> Plan {
    Plan {
        conduct: Conduct::Role {
            readiness,
            ready_within: Duration::from_mins(1),
            delay: DELAY,
            stop: Stop {
                quiet: quiet.then_some(QUIET),
                drain: DRAIN,
                grace: GRACE,
                normal: &[0, 1, 130, 143],
            },
            forward_usr1: false,
        },
        need_within: Duration::from_mins(5),
        restart: restarts.then(Budget::default),
        watch: watches.then_some(WATCH),
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
    ClientsCome,
    ClientsLeave,
    /// To the question whether it lives.
    Answers(bool),
    /// An answer to a question that nobody asked.
    Stray(Event),
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
        2 => Just(ClientsCome),
        2 => Just(ClientsLeave),
        4 => any::<bool>().prop_map(Answers),
        1 => prop::sample::select(vec![Event::Quiet, Event::Busy, Event::Live(false)]).prop_map(Stray),
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
    main_stopped: bool,
    orphans: bool,
    clients: bool,
    /// Since when nobody is connected.
    alone_since: Duration,
    /// It was asked whether it lives, and has not answered.
    asked_live: bool,
    /// How often it gave no sign of life, in all and in a row, since it was started.
    silent: (usize, usize),
    last_exit: Option<Exit>,
    ever_started: bool,
    /// TERMs that this main process got from us.
    terms: u32,
    /// When a stop of what has clients begins, delay included.
    serving_stop: Option<Duration>,
    /// Everybody but main got TERM in this stop.
    rest_termed: bool,
    /// When KILL may come at the earliest, in this stop.
    kill_from: Option<Duration>,
    hurried: bool,
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
            main_stopped: false,
            orphans: false,
            clients: false,
            alone_since: Duration::ZERO,
            asked_live: false,
            silent: (0, 0),
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

    fn give(&mut self, event: Event) {
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
                (self.serving_stop, self.silent) = (None, (0, 0));
                self.give(Event::Started);
            }
            Action::CheckSettings => self.give(Event::Restart),
            Action::SignalMain(SIGTERM) => {
                self.terms += 1;
                assert_eq!(self.terms, 1, "a second TERM to the same main process");
                if let Some(begin) = self.serving_stop.filter(|_| !self.hurried) {
                    let Conduct::Role { stop, .. } = &self.plan.conduct else { unreachable!() };
                    let may_wait = stop.quiet.filter(|_| self.clients).unwrap_or_default().min(GRACE - DRAIN);
                    assert!(
                        self.now >= begin + may_wait,
                        "TERM while clients are connected, at {:?}",
                        self.now
                    );
                }
            }
            Action::LookForClients => {
                assert!(self.terms == 0 && self.serving_stop.is_some(), "a look at clients for nothing");
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
                assert!(self.silent.0 >= WATCH.failures, "wedged after {:?}", self.silent);
                self.verdict = true;
            }
            Action::SignalMain(signal) => {
                assert!(![SIGINT, SIGHUP, SIGUSR1].contains(signal), "passed on: {signal}");
            }
            Action::KillAll => {
                let from = self.kill_from.expect("KILL without a stop");
                assert!(self.now >= from, "KILL at {:?}, allowed from {from:?}", self.now);
                assert!(self.rest_termed, "KILL without TERM before");
            }
            Action::TellNotReady | Action::TellNeedsMissed => self.verdict = true,
            Action::End(code) => self.end = Some(*code),
            Action::ContinueMain
            | Action::TellClientsLeft
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
            Happening::MainStops(stopped) if self.main => {
                self.main_stopped = stopped;
                self.give(Event::MainStopped(stopped));
            }
            Happening::ClientsCome => self.clients = true,
            Happening::ClientsLeave if self.clients => (self.clients, self.alone_since) = (false, self.now),
            Happening::Answers(live) if self.asked_live => {
                self.asked_live = false;
                if !live && !self.main_stopped {
                    self.silent = (self.silent.0 + 1, self.silent.1 + 1);
                } else if live {
                    self.silent.1 = 0;
                }
                self.give(Event::Live(live));
            }
            Happening::Stray(Event::Live(_)) if self.asked_live => {}
            Happening::Stray(event) => {
                let before = self.machine.state();
                assert_eq!(self.machine.step(&self.plan, self.now, event), [], "{event:?}");
                assert_eq!(self.machine.state(), before);
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
        assert!(state != State::Ready || self.serving_stop.is_none(), "ready again without a start");
        let timer = self.machine.deadline(&self.plan);
        let watching = self.plan.watch.is_some() && !self.asked_live;
        assert!(state != State::Ready || timer.is_some() == watching, "a timer at rest, or nobody watches");
        assert!(
            state != State::Ready || self.silent.1 < WATCH.failures,
            "ready, and silent {:?}",
            self.silent
        );
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// TERM to main once per stop, not before a quiet moment while there is time for one, and at once in it; KILL never
    /// before the grace, as shortened, is over, nor without TERM; never ready while draining; wedged only after so many
    /// silences, and then for certain; never two main processes; the exit code is main's or one of our own verdicts; no
    /// timer at rest, unless it watches.
    #[test]
    fn whatever_happens_the_rules_hold(
        choice in choice(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(plan(choice));
        for happening in happenings {
            world.happen(happening);
            world.check();
        }
    }

    /// After TERM an end is reached in bounded time even when nothing in the world does its part.
    #[test]
    fn after_a_stop_an_end_is_always_reached(
        choice in choice(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(plan(choice));
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
        let plan = Plan { conduct: Conduct::Plain, need_within: Duration::MAX, restart: None, watch: None };
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
    let mut world = World::new(plan(BARE));
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
    let mut world = World::new(plan(BARE));
    world.happen(Happening::NeedsAnswer);
    world.happen(Happening::SaysReady);
    world.happen(Happening::AskRestart);
    world.happen(Happening::Pass(3_000));
    world.happen(Happening::Signal(SIGTERM));
    world.happen(Happening::MainEnds(Exit::Code(0)));
    assert_eq!(world.end, Some(0));
}

/// It is asked for who cut its clients off; so does whoever starts it anew.
#[test]
fn a_restart_in_place_waits_for_a_quiet_moment_too() {
    let mut world = World::new(plan(Choice { quiet: true, ..BARE }));
    for happening in [
        Happening::NeedsAnswer,
        Happening::SaysReady,
        Happening::ClientsCome,
        Happening::AskRestart,
        Happening::Pass(4_000),
    ] {
        world.happen(happening);
        world.check();
    }
    assert!(world.machine.waits_for_clients() && world.terms == 0);
    world.happen(Happening::ClientsLeave);
    world.happen(Happening::Pass(100));
    assert_eq!(world.terms, 1);
}

/// However long an operator has it wait, there is time to drain before the KILL.
#[test]
fn a_quiet_moment_leaves_room_for_the_drain() {
    let mut plan = plan(Choice { quiet: true, ..BARE });
    if let Conduct::Role { stop, .. } = &mut plan.conduct {
        stop.quiet = Some(Duration::MAX);
    }
    let mut world = World::new(plan);
    for happening in [Happening::NeedsAnswer, Happening::SaysReady, Happening::ClientsCome] {
        world.happen(happening);
    }
    world.give(Event::Signal(SIGTERM));
    world.pass(DELAY + GRACE - DRAIN);
    assert_eq!(world.terms, 1);
}

#[test]
fn a_wedged_main_is_stopped_without_delay_and_started_again() {
    let mut world = World::new(plan(Choice { quiet: true, restarts: true, watches: true, ..BARE }));
    for happening in [Happening::NeedsAnswer, Happening::SaysReady, Happening::ClientsCome] {
        world.happen(happening);
    }
    for live in [false, true, false, true, false] {
        assert_eq!(world.machine.state(), State::Ready);
        world.happen(Happening::Pass(10_000));
        world.happen(Happening::Answers(live));
    }
    assert_eq!((world.machine.state(), world.terms), (State::Draining, 1));
    world.happen(Happening::MainEnds(Exit::Signal(9)));
    assert_eq!(world.machine.state(), State::Pausing);
    world.happen(Happening::Pass(1_000));
    assert_eq!((world.machine.state(), world.machine.restarts()), (State::Waiting, 1));
}
