//! What a supervisor hears of.

use berth_report::Code;

use crate::exit::Exit;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Every need has answered.
    NeedsAnswered,
    /// The main process was started.
    Started,
    /// The main process could not be started: [`Code::CannotRun`] or [`Code::NotFound`].
    CannotStart(Code),
    /// The main process says that it is ready.
    ReadyMessage,
    /// We got this signal.
    Signal(i32),
    /// A restart in place was asked for, and the new settings are good.
    Restart,
    /// The main process was stopped (true) or continued (false) by a signal.
    MainStopped(bool),
    /// The main process has ended.
    MainEnded(Exit),
    /// No client is connected.
    Quiet,
    /// Clients are connected.
    Busy,
    /// The main process has given a sign of life (true), or none in time.
    Live(bool),
    /// We have no child left.
    NothingLeft,
    /// Time has passed.
    Tick,
}
