//! What `berth-init` does is what its machine decides: random sequences of events are given to a running one and to the
//! machine, and after each both are compared. BERTH_TEST_SEED repeats what the test says that it has tried.

use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use berth_control::State;
use berth_role::{Readiness, Stop};
use berth_supervise::machine::{Action, Conduct, Event, LOOK_AGAIN, Machine, Plan};
use berth_supervise::{Budget, Exit};
use berth_tests::{Case, Chance, tell, wait_until};
use nix::libc::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2};
use serde_json::{Value, json};

use crate::listening::Door;
use crate::running::{Init, Running, places};

const SEQUENCES: usize = 24;
const LONGEST: usize = 9;

/// Sequences that run at a time.
const AT_ONCE: usize = 4;

/// How many failures a sequence has: each is followed by a pause, which doubles.
const FAILURES: usize = 2;

/// Signals of which a witness knows what they mean.
const END: i32 = 40;
const READY: i32 = 41;

/// What END makes it exit with.
const CODE: u8 = 7;

/// A real-time signal without a meaning, which is passed on.
const OTHER: i32 = 45;

/// Times that nothing in a sequence waits out.
const QUIET: Duration = Duration::from_mins(10);
const DRAIN: Duration = Duration::from_mins(15);
const GRACE: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// To the init.
    Signal(i32),
    Restart,
    /// Straight to the main process, by somebody else.
    SaysReady,
    Ends,
    Stops,
    GoesOn,
    ClientComes,
    ClientLeaves,
}

const STEPS: [Step; 13] = [
    Step::Signal(SIGTERM),
    Step::Signal(SIGINT),
    Step::Signal(SIGHUP),
    Step::Signal(SIGUSR1),
    Step::Signal(SIGUSR2),
    Step::Signal(OTHER),
    Step::Restart,
    Step::SaysReady,
    Step::Ends,
    Step::Stops,
    Step::GoesOn,
    Step::ClientComes,
    Step::ClientLeaves,
];

/// The machine, in a world that consists of what it has started: a main process, and another one beside it.
struct Model {
    plan: Plan,
    machine: Machine,
    now: Duration,
    main: bool,
    stopped: bool,
    other: bool,
    clients: usize,
    failures: usize,
    signals: usize,
    /// What both witnesses have said.
    said: Vec<String>,
    end: Option<u8>,
}

impl Model {
    fn new(restarts: bool) -> Self {
        let stop = Stop { quiet: Some(QUIET), drain: DRAIN, grace: GRACE, normal: &[0] };
        let conduct = Conduct::Role {
            readiness: Readiness::Message,
            ready_within: GRACE,
            delay: Duration::ZERO,
            stop,
            forward_usr1: false,
        };
        let restart = restarts.then(Budget::default);
        let plan = Plan { conduct, need_within: GRACE, restart, watch: None };
        let (machine, first) = Machine::new(&plan, 1);
        let mut model = Self {
            plan,
            machine,
            now: Duration::ZERO,
            main: false,
            stopped: false,
            other: false,
            clients: 0,
            failures: 0,
            signals: 0,
            said: Vec::new(),
            end: None,
        };
        for action in &first {
            model.obey(action);
        }
        model
    }

    /// Whether this can happen, and both sides can tell what follows.
    fn takes(&self, step: Step) -> bool {
        let runs = self.main && !self.stopped;
        match step {
            Step::Signal(SIGUSR2 | OTHER) => !self.stopped,
            Step::Signal(_) | Step::Restart => true,
            Step::Ends => runs && self.failures < FAILURES,
            Step::SaysReady | Step::Stops => runs,
            Step::GoesOn => self.stopped,
            Step::ClientComes => self.clients < 2,
            Step::ClientLeaves => self.clients > 0,
        }
    }

    fn happen(&mut self, step: Step) {
        match step {
            Step::Signal(signal) => {
                self.signals += 1;
                self.give(Event::Signal(signal));
            }
            Step::Restart if self.machine.takes_restart() => self.give(Event::Restart),
            Step::Restart => {}
            Step::SaysReady => {
                self.main_says(READY);
                self.give(Event::ReadyMessage);
            }
            Step::Ends => {
                self.failures += 1;
                self.main_says(END);
                self.main_ends(Exit::Code(CODE));
            }
            Step::Stops => self.main_stops(true),
            Step::GoesOn => {
                self.main_says(SIGCONT);
                self.main_stops(false);
            }
            Step::ClientComes => self.clients += 1,
            Step::ClientLeaves => self.clients -= 1,
        }
        self.settle();
    }

    /// Lets the time pass that it takes until nothing more happens by itself.
    fn settle(&mut self) {
        let mut end = self.now + 2 * LOOK_AGAIN;
        while let Some(deadline) = self.machine.deadline(&self.plan).filter(|_| self.end.is_none()) {
            let is_near = deadline < self.now + Duration::from_mins(1);
            if self.machine.state() == State::Restarting || is_near && !self.machine.waits_for_clients() {
                end = end.max(deadline);
            }
            if deadline > end {
                break;
            }
            self.now = self.now.max(deadline);
            self.give(Event::Tick);
        }
        self.now = self.now.max(end);
    }

    fn give(&mut self, event: Event) {
        if self.end.is_none() {
            let actions = self.machine.step(&self.plan, self.now, event);
            for action in &actions {
                self.obey(action);
            }
        }
    }

    fn obey(&mut self, action: &Action) {
        match *action {
            Action::AskNeeds => self.give(Event::NeedsAnswered),
            Action::Start => {
                (self.main, self.stopped, self.other) = (true, false, true);
                self.said.extend(["main catching", "other catching"].map(str::to_owned));
                self.give(Event::Started);
            }
            Action::CheckSettings => self.give(Event::Restart),
            Action::SignalMain(signal) => self.main_says(signal),
            Action::ContinueMain => {
                self.main_says(SIGCONT);
                self.main_stops(false);
            }
            Action::LookForClients => {
                self.give(if self.clients == 0 { Event::Quiet } else { Event::Busy });
            }
            Action::TermRest if self.other => {
                self.said.push(format!("other signal {SIGTERM}"));
                self.other = false;
                self.look_what_is_left();
            }
            Action::KillAll => {
                self.other = false;
                self.main_ends(Exit::Signal(SIGKILL));
            }
            Action::End(code) => self.end = Some(code),
            _ => {}
        }
    }

    fn main_says(&mut self, signal: i32) {
        if self.main {
            self.said.push(format!("main signal {signal}"));
        }
    }

    fn main_stops(&mut self, stopped: bool) {
        if self.main && self.stopped != stopped {
            self.stopped = stopped;
            self.give(Event::MainStopped(stopped));
        }
    }

    fn main_ends(&mut self, exit: Exit) {
        if std::mem::take(&mut self.main) {
            self.stopped = false;
            self.give(Event::MainEnded(exit));
        }
        self.look_what_is_left();
    }

    fn look_what_is_left(&mut self) {
        if !self.main && !self.other {
            self.give(Event::NothingLeft);
        }
    }

    /// What a status says of it, as far as it is compared.
    fn status(&self) -> Value {
        json!({
            "state": self.machine.state().word(), "restarts": self.machine.restarts(),
            "main": self.main, "stopped": self.machine.main_is_stopped(),
            "waits": self.machine.waits_for_clients().then_some(self.clients),
        })
    }
}

/// Some steps, and then what ends it if they have not.
fn sequence(chance: &mut Chance, restarts: bool) -> Vec<Step> {
    let mut model = Model::new(restarts);
    let mut steps = Vec::new();
    let length = 1 + chance.below(LONGEST);
    // Else most would never see a client.
    let begin: &[Step] = if chance.below(2) == 0 { &[Step::SaysReady, Step::ClientComes] } else { &[] };
    while model.end.is_none() {
        let step = if let Some(step) = begin.get(steps.len()) {
            *step
        } else if steps.len() < length {
            STEPS[chance.below(STEPS.len())]
        } else if model.clients > 0 {
            Step::ClientLeaves
        } else {
            Step::Signal(SIGTERM)
        };
        if model.takes(step) {
            model.happen(step);
            steps.push(step);
        }
    }
    steps
}

/// The same with a process.
struct Real<'a> {
    init: Running<'a>,
    door: &'a Door,
    clients: Vec<TcpStream>,
}

impl Real<'_> {
    fn happen(&mut self, step: Step) {
        let main = |signal| self.init.main().signal(signal).unwrap();
        match step {
            Step::Signal(signal) => self.init.signal(signal),
            Step::Restart => drop(self.init.ask(&["restart"])),
            Step::SaysReady => main(READY),
            Step::Ends => main(END),
            Step::Stops => main(SIGSTOP),
            Step::GoesOn => main(SIGCONT),
            Step::ClientComes => self.clients.push(self.door.enter()),
            Step::ClientLeaves => drop(self.clients.pop()),
        }
    }

    fn status(&self) -> Option<Value> {
        let status = self.init.status()?;
        let waits = status["waiting_for"][0].as_str().and_then(|line| line.split(' ').next()?.parse().ok());
        let waits: Option<usize> = waits;
        let main = &status["main"];
        Some(json!({
            "state": status["state"], "restarts": status["restarts"],
            "main": !main.is_null(), "stopped": main["stopped"] == true, "waits": waits,
        }))
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// Gives both the same steps, and waits after each until they agree.
fn compare(steps: &[Step], restarts: bool, place: crate::running::Place, seed: u64) {
    let case = Case::new();
    let door = Door::silent();
    // An orphan from the beginning, so that its end is the init's affair and not main's.
    let other = "( $WITNESS name=other on=15:0 catch & )";
    let script = format!("{other}\nexec $WITNESS name=main tell={READY}:'\"ready\"' on={END}:{CODE} catch");
    let seconds = |time: Duration| time.as_secs().to_string();
    let init = Init::script(&case, place, "mx", &script)
        .set("MX_PORT", door.port())
        .set("BERTH_QUIET", seconds(QUIET))
        .set("BERTH_DRAIN", seconds(DRAIN))
        .set("BERTH_GRACE", seconds(GRACE))
        .set("BERTH_READY_WITHIN", seconds(GRACE))
        .set("BERTH_RESTART", if restarts { "on-failure" } else { "no" });
    let mut real = Real { init: init.start(), door: &door, clients: Vec::new() };
    let mut model = Model::new(restarts);
    agree(&real, &model, "its start");
    for (number, step) in steps.iter().enumerate() {
        let what = format!("step {number} of {steps:?} (restarts {restarts}, BERTH_TEST_SEED={seed})");
        model.happen(*step);
        real.happen(*step);
        if let Some(code) = model.end {
            assert_eq!(real.init.end(), i32::from(code), "{what}");
            // A kill comes 1.5 s after the rest's TERM, and a busy machine may let nobody run for as long.
            let certain = |said: Vec<String>| {
                let said = said.into_iter().filter(|line| code != 137 || line != "other signal 15");
                sorted(said.collect())
            };
            assert_eq!(certain(real.init.said()), certain(model.said), "{what}");
            return;
        }
        agree(&real, &model, &what);
    }
    unreachable!("a sequence is made until its end");
}

fn agree(real: &Real, model: &Model, what: &str) {
    let (status, said) = (model.status(), sorted(model.said.clone()));
    wait_until(&format!("{status} and {said:?} after {what}"), || {
        let agrees = real.status().is_some_and(|real| real == status)
            && sorted(real.init.said()) == said
            && real.init.logged("signal").len() == model.signals;
        agrees.then_some(())
    });
}

#[test]
fn an_init_does_what_its_machine_decides() {
    let mut chance = Chance::new();
    let seed = chance.seed();
    let sequences: Vec<_> = (0..SEQUENCES)
        .map(|number| {
            let restarts = number % 2 == 0;
            (restarts, sequence(&mut chance, restarts))
        })
        .collect();
    let steps: usize = sequences.iter().map(|(_, steps)| steps.len()).sum();
    tell(&format!("{SEQUENCES} sequences, {steps} steps (BERTH_TEST_SEED={seed})"));
    let places = places();
    let next = Mutex::new(sequences.iter().zip(places.iter().cycle()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(((restarts, steps), place)) = { next.lock().unwrap().next() } {
                    compare(steps, *restarts, *place, seed);
                }
            });
        }
    });
}
