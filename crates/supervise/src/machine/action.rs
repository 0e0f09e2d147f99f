//! What a supervisor wants done, and what it tells.

use std::time::Duration;

use crate::exit::Exit;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Begin to ask the needs, until they have answered.
    AskNeeds,
    /// Start the main process.
    Start,
    /// Check the settings; when they are good, [`Event::Restart`] follows.
    CheckSettings,
    /// Send this signal to the main process.
    SignalMain(i32),
    /// Let a stopped main process run, so that it can end.
    ContinueMain,
    /// Look whether clients are connected; [`Event::Quiet`](super::Event::Quiet) or [`Event::Busy`](super::Event::Busy)
    /// follows.
    LookForClients,
    /// Ask the main process whether it lives; [`Event::Live`](super::Event::Live) follows, unless it is stopped meanwhile.
    AskWhetherLive,
    /// Send TERM to every descendant but the main process.
    TermRest,
    /// Send KILL to every descendant.
    KillAll,
    /// Tell how the main process ended.
    TellEnd(Ending),
    /// The deadline for readiness has passed.
    TellNotReady,
    /// The deadline for the needs has passed.
    TellNeedsMissed,
    /// The time for a quiet moment is spent, and clients are still connected.
    TellClientsLeft,
    /// The main process has not answered often enough.
    TellWedged,
    /// This signal is not passed on.
    TellHeldBack(i32),
    /// A restart follows after this pause.
    TellPause(Duration),
    /// It has failed so often that it is not started again.
    TellBudgetSpent,
    /// End with this exit code. Nothing follows.
    End(u8),
}

/// How the main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub exit: Exit,
    /// Why it was being stopped; nothing when nobody asked for its end.
    pub asked: Option<Reason>,
    /// How long it lived.
    pub lived: Duration,
    /// Whether this is how an asked-for stop ends.
    pub normal: bool,
}

/// Why the main process is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A signal asked for it.
    Signal(i32),
    /// A restart in place was asked for.
    Restart,
    /// It was not ready in time.
    NotReady,
    /// It did not answer any more.
    Wedged,
}
