//! What the supervisor decides, whatever happens in whatever order: properties over arbitrary sequences of
//! events, on a small world that obeys it.

mod world;

use std::time::Duration;

use berth_control::State;
use berth_supervise::Exit;
use berth_supervise::machine::{Action, Conduct, Event, Machine, Plan};
use nix::libc::SIGTERM;
use proptest::prelude::*;

use crate::world::{BARE, Choice, DELAY, GRACE, Happening, ROOM, World, choice, happening, plan};

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
    world.pass(DELAY + ROOM);
    assert_eq!(world.terms, 1);
}

/// Two silences of any five answers in a row are forgiven.
#[test]
fn a_main_that_is_slow_now_and_then_is_kept() {
    let mut world = World::new(plan(Choice { watches: true, ..BARE }));
    world.happen(Happening::NeedsAnswer);
    world.happen(Happening::SaysReady);
    for live in [false, false, true, true, true].repeat(3) {
        world.happen(Happening::Pass(10_000));
        world.happen(Happening::Answers(live));
        world.check();
    }
    assert_eq!((world.machine.state(), world.lives.len()), (State::Ready, 15));
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
    assert_eq!(world.machine.state(), State::Restarting);
    world.happen(Happening::Pass(1_000));
    assert_eq!((world.machine.state(), world.machine.restarts()), (State::Waiting, 1));
}
