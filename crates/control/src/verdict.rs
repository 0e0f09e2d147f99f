//! What an end means: one vocabulary for the log, for metrics, and for whoever only knows the exit code.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the end of a main process means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Asked to, it ended by itself and as such an end should.
    Drained,
    /// Asked to, it had not ended when its grace was over, and got KILL.
    CutOff,
    /// The kernel killed it for lack of memory.
    OutOfMemory,
    /// V8's heap was full (SIGABRT).
    HeapExhausted,
    /// It gave itself up: an assertion, or V8 for another reason than its heap (SIGABRT).
    Aborted,
    /// What is awaited at its top level can never come (Node's exit code 13).
    UnsettledAwait,
    /// Node does not know one of its options (Node's exit code 9).
    BadOption,
    /// An exception that nobody caught, or its own judgement (exit code 1).
    Failed,
    /// Another exit code, 0 included.
    Exited,
    /// Another signal, that neither we nor the kernel for lack of memory have sent.
    Killed,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Drained,
        Self::CutOff,
        Self::OutOfMemory,
        Self::HeapExhausted,
        Self::Aborted,
        Self::UnsettledAwait,
        Self::BadOption,
        Self::Failed,
        Self::Exited,
        Self::Killed,
    ];

    /// The word for it in logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::CutOff => "cut-off",
            Self::OutOfMemory => "out-of-memory",
            Self::HeapExhausted => "heap-exhausted",
            Self::Aborted => "aborted",
            Self::UnsettledAwait => "unsettled-await",
            Self::BadOption => "bad-option",
            Self::Failed => "failed",
            Self::Exited => "exited",
            Self::Killed => "killed",
        }
    }

    /// What one of Node's own exit codes says of an end, where nothing else is known of it
    /// (<https://nodejs.org/api/process.html#exit-codes>).
    #[must_use]
    pub const fn of_node(code: u8) -> Self {
        match code {
            1 => Self::Failed,
            9 => Self::BadOption,
            13 => Self::UnsettledAwait,
            // 128 + SIGABRT, as a shell says it.
            134 => Self::Aborted,
            _ => Self::Exited,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_word_is_what_goes_over_the_socket() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
        }
    }
}
