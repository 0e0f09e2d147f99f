//! The loop that does what the machine decides.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;

use berth_control::{Asked, Callers, Listener, State};
use nix::libc::{SIGCHLD, SIGCONT, SIGKILL, SIGPIPE, SIGTERM};
use nix::sys::prctl;
use nix::unistd::{Pid, getpid};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::account::Account;
use crate::channel::Channel;
use crate::charge::{Charge, Life, Waiting};
use crate::connections::established_to;
use crate::exit::signal_name;
use crate::inherited::Inherited;
use crate::machine::{Action, Conduct, Event, Machine, Plan};
use crate::rest::{Code, LINGER, Occupied, Wait, until_readable};
use crate::signals::{Got, Signals};
use crate::spawn::Program;
use crate::terminal;

mod answer;
mod program;
mod tell;

use tell::milliseconds;

/// Supervises until the end, and gives the exit code. Must run inside tokio's current-thread runtime, on the
/// thread that called [`Inherited::take`]: the parent-death signal goes by thread (PR_SET_PDEATHSIG(2const)).
pub async fn run<C: Charge>(
    plan: &Plan,
    charge: &mut C,
    program: Program,
    inherited: Inherited,
    listener: Option<Listener>,
) -> io::Result<u8> {
    let is_first = getpid().as_raw() == 1;
    if !is_first && let Err(error) = prctl::set_child_subreaper(true) {
        warn!(%error, "orphans of the program cannot be reaped here");
    }
    let is_role = !matches!(plan.conduct, Conduct::Plain);
    let (machine, actions) = Machine::new(plan, u64::from(std::process::id()) ^ clock());
    let mut supervisor = Supervisor {
        plan,
        charge,
        program,
        inherited,
        is_first,
        machine,
        origin: Instant::now(),
        main: None,
        channel: None,
        needs: None,
        live: None,
        waiting: Waiting::default(),
        clients: 0,
        gives_back_at: None,
        account: if is_role { Account::told() } else { Account::default() },
        passing: None,
    };
    // It begins with a question, of which no event comes at once.
    supervisor.act(actions);
    supervisor.live(&Signals::new()?, listener.map(Listener::serve)).await
}

struct Supervisor<'a, C> {
    plan: &'a Plan,
    charge: &'a mut C,
    program: Program,
    inherited: Inherited,
    /// We are PID 1 of our namespace.
    is_first: bool,
    machine: Machine,
    origin: Instant,
    main: Option<Pid>,
    channel: Option<Channel>,
    needs: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// The question under way whether main lives.
    live: Option<Life>,
    waiting: Waiting,
    /// How many clients were connected at the last look.
    clients: usize,
    /// When the code is given back that was run through since the last time.
    gives_back_at: Option<Instant>,
    account: Account,
    /// The signal that is being decided on.
    passing: Option<Got>,
}

/// What woke us.
enum Woken {
    Signal(io::Result<Got>),
    Channel(bool),
    Needs,
    Live(Result<String, String>),
    Deadline,
    Asked(Option<Asked>),
    GiveBack,
}

impl<C: Charge> Supervisor<'_, C> {
    async fn live(mut self, signals: &Signals, mut callers: Option<Callers>) -> io::Result<u8> {
        // A shell that became us may have left children, and one that ended before SIGCHLD was blocked is silent.
        self.reap();
        loop {
            let deadline =
                self.machine.deadline(self.plan).and_then(|deadline| self.origin.checked_add(deadline));
            let woken = if let Some(got) = self.signal_at_rest(signals, callers.as_ref(), deadline) {
                Woken::Signal(got)
            } else {
                let gives_back_at = self.gives_back_at;
                tokio::select! {
                    biased;
                    got = signals.next() => Woken::Signal(got),
                    ready = heard(&mut self.channel) => Woken::Channel(ready),
                    () = answered(&mut self.needs) => Woken::Needs,
                    live = answered(&mut self.live) => Woken::Live(live),
                    () = reached(deadline) => Woken::Deadline,
                    asked = next(&mut callers) => Woken::Asked(asked),
                    () = reached(gives_back_at) => Woken::GiveBack,
                }
            };
            // What answers or asks runs through code that a rest does not need.
            if !matches!(woken, Woken::Signal(_) | Woken::Deadline | Woken::GiveBack) {
                self.gives_back_at = Some(Instant::now() + LINGER);
            }
            let end = match woken {
                Woken::Signal(got) => self.signal(got?),
                Woken::Channel(true) => self.take(Event::ReadyMessage),
                Woken::Channel(false) => {
                    self.channel = None;
                    None
                }
                Woken::Needs => {
                    self.needs = None;
                    self.waiting.set(Vec::new());
                    self.take(Event::NeedsAnswered)
                }
                Woken::Live(live) => {
                    self.live = None;
                    if let Err(reason) = &live {
                        warn!(role = self.charge.name(), reason, "no sign of life");
                    }
                    self.take(Event::Live(live.is_ok()))
                }
                Woken::Deadline => self.take(Event::Tick),
                Woken::Asked(Some(Asked { request, answer })) => {
                    let (said, end) = self.answer(request);
                    let _ = answer.send(said);
                    end
                }
                Woken::Asked(None) => {
                    callers = None;
                    None
                }
                Woken::GiveBack => None,
            };
            if let Some(code) = end {
                return Ok(code);
            }
        }
    }

    /// Waits for a signal while nothing else is under way: in one system call, without the runtime, whose code is not touched and whose
    /// tasks do not run. Nothing when more is to be waited for, or something else has come.
    fn signal_at_rest(
        &mut self,
        signals: &Signals,
        callers: Option<&Callers>,
        deadline: Option<Instant>,
    ) -> Option<io::Result<Got>> {
        let occupied = Occupied {
            by_callers: callers.is_some_and(|callers| !callers.are_none()),
            by_itself: deadline.is_some() || self.needs.is_some() || self.live.is_some(),
        };
        let Wait { rests, gives_back, gives_back_at } =
            Wait::decide(Instant::now(), self.gives_back_at, occupied);
        self.gives_back_at = gives_back_at;
        let code = if gives_back { Code::ours() } else { Code::default() };
        if !rests {
            code.give_back();
            return None;
        }
        let channel = self.channel.as_ref().map(AsFd::as_fd);
        let others = channel.into_iter().chain(callers.map(AsFd::as_fd));
        until_readable(&code, std::iter::once(signals.as_fd()).chain(others)).ok()?;
        let got = signals.taken().transpose();
        // The runtime takes what has come instead.
        if got.is_none() {
            self.gives_back_at = Some(Instant::now() + LINGER);
        }
        got
    }

    fn signal(&mut self, got: Got) -> Option<u8> {
        // Ours, not the program's: we wrote to a log or to a caller that had gone.
        if got.number == SIGPIPE && got.sender == std::process::id() {
            return None;
        }
        if got.number == SIGCHLD {
            return self.reap();
        }
        if !self.is_plain() {
            info!(role = self.charge.name(), signal = %signal_name(got.number), sender = got.sender, "signal");
        }
        self.account.signal(got);
        if let Some(main) = self.main.filter(|_| got.number == SIGCONT && self.is_plain()) {
            terminal::lend_on(main);
        }
        self.passing = Some(got);
        let end = self.take(Event::Signal(got.number));
        self.passing = None;
        end
    }

    /// The program has the terminal, and every signal.
    fn is_plain(&self) -> bool {
        matches!(self.plan.conduct, Conduct::Plain)
    }

    /// Gives an event to the machine and does what it says, and so on with what comes of that.
    fn take(&mut self, event: Event) -> Option<u8> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if let Event::MainStopped(stopped) = event
                && !self.is_plain()
            {
                warn!(role = self.charge.name(), stopped, "main process stopped or continued by a signal");
            }
            let before = self.machine.state();
            let actions = self.machine.step(self.plan, self.origin.elapsed(), event);
            self.tell(before);
            if before != State::Ready && self.machine.state() == State::Ready {
                self.gives_back_at = Some(Instant::now());
            }
            if self.machine.state() != State::Ready {
                self.live = None;
            }
            if let Some(Action::End(code)) = actions.iter().find(|action| matches!(action, Action::End(_))) {
                let code = *code;
                self.act(actions);
                return Some(code);
            }
            events.extend(self.act(actions));
        }
        None
    }

    /// Does what was decided, in order, and gives the events that come of it.
    fn act(&mut self, actions: Vec<Action>) -> Vec<Event> {
        let mut events = Vec::new();
        let role = self.charge.name().to_owned();
        for action in actions {
            match action {
                Action::AskNeeds => self.needs = Some(self.charge.needs(self.waiting.clone())),
                Action::Start => events.push(self.start()),
                Action::CheckSettings => events.extend(self.prepare().is_ok().then_some(Event::Restart)),
                Action::SignalMain(number) => {
                    self.account.sent(number);
                    self.pass_on(number);
                }
                Action::ContinueMain => self.signal_main(SIGCONT),
                Action::LookForClients => events.push(self.look_for_clients()),
                Action::AskWhetherLive => self.live = Some(self.charge.live()),
                Action::TermRest => self.signal_rest(SIGTERM),
                Action::KillAll => {
                    self.signal_main(SIGKILL);
                    self.signal_rest(SIGKILL);
                }
                Action::TellEnd(ending) => self.tell_end(&ending),
                Action::TellNotReady => error!(role, "not ready in time"),
                Action::TellNeedsMissed => {
                    error!(role, waiting_for = ?self.waiting.lines(), "a need did not answer in time");
                }
                Action::TellClientsLeft => {
                    warn!(role, "clients are still connected, and are waited for no longer");
                }
                Action::TellWedged => error!(role, "wedged: too often no sign of life"),
                Action::TellHeldBack(number) => {
                    info!(role, signal = %signal_name(number), "signal held back");
                }
                Action::TellPause(pause) => {
                    warn!(role, pause_ms = milliseconds(pause), "starts again after a pause");
                }
                Action::TellBudgetSpent => error!(role, "failed too often: not started again"),
                Action::End(code) => {
                    if !self.is_plain() {
                        info!(role, code, orphans_reaped = self.account.orphans(), "end");
                    }
                }
            }
        }
        events
    }

    /// Where it cannot be told, nobody is waited for.
    fn look_for_clients(&mut self) -> Event {
        let (role, before) = (self.charge.name(), self.clients);
        self.clients = established_to(&self.charge.ports()).unwrap_or_else(|cause| {
            warn!(role, %cause, "connections cannot be counted");
            0
        });
        if self.clients == 0 {
            return Event::Quiet;
        }
        if before == 0 {
            info!(role, clients = self.clients, "waits for its clients to leave");
        }
        Event::Busy
    }

    fn prepare(&mut self) -> Result<(), String> {
        match self.charge.prepare() {
            Ok(program) => {
                self.program = program;
                Ok(())
            }
            Err(refused) => {
                // All settings were read, and no start follows after which that would be given back.
                self.gives_back_at = Some(Instant::now() + LINGER);
                error!(role = self.charge.name(), cause = %refused, "no restart: the new settings are not good");
                Err(refused.to_string())
            }
        }
    }
}

async fn heard(channel: &mut Option<Channel>) -> bool {
    match channel {
        Some(channel) => channel.ready().await,
        None => pending().await,
    }
}

async fn answered<T>(asked: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match asked {
        Some(asked) => asked.await,
        None => pending().await,
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

async fn next(callers: &mut Option<Callers>) -> Option<Asked> {
    match callers {
        Some(callers) => callers.next().await,
        None => pending().await,
    }
}

/// What differs between two starts that have the same process id, as every PID 1 has.
fn clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos())
}
