//! How the programs talk to people: errors with a hint, exit codes, log lines.
//!
//! An error is an [`anyhow::Error`] whose chain may hold a [`Problem`]: what was attempted, what the reader
//! can do, and the exit code that callers may rely on. [`exit`] is the last line of every `main`.
//!
//! Invariants: a message never includes its source (the chain is walked once, here); data goes to stdout,
//! talk to stderr; a log line never blocks and is never longer than a pipe takes whole.
//!
//! ```
//! use berth_report::{Code, Problem};
//! let problem = Problem::new(Code::Usage, "there is no role \"imapp\"").hint("did you mean imap?");
//! assert_eq!(problem.to_string(), "there is no role \"imapp\"");
//! ```

use std::fmt;
use std::process::ExitCode;

mod log;

pub use log::{Format, dropped, start as start_log};

/// Exit codes with a meaning of their own. Usage, unavailable and settings are those of sysexits(3), the last
/// two those of POSIX shells (XCU 2.8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: it failed, and no other code says more.
    Failure,
    /// 64: the command line is wrong.
    Usage,
    /// 69: a need or readiness did not come in time.
    Unavailable,
    /// 78: settings are missing or wrong.
    Settings,
    /// 126: the program was found and cannot be run.
    CannotRun,
    /// 127: the program was not found.
    NotFound,
}

impl Code {
    /// The number that the process ends with.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Settings => 78,
            Self::CannotRun => 126,
            Self::NotFound => 127,
        }
    }
}

/// What was attempted and failed, with the exit code and what the reader can do.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    message: String,
    hint: Option<String>,
    source: Option<anyhow::Error>,
}

impl Problem {
    /// A problem that ends the program with `code`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, source: None }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// Ends `main`: tells an error on stderr, with its causes and its hint, and gives the exit code.
#[must_use]
pub fn exit(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprint!("{}", tell(&error));
        ExitCode::from(code(&error).number())
    })
}

/// The exit code that an error asks for: that of the outermost [`Problem`] in its chain.
#[must_use]
pub fn code(error: &anyhow::Error) -> Code {
    problems(error).map(|problem| problem.code).next().unwrap_or(Code::Failure)
}

/// An error as a person reads it: what failed, each cause on a line, hints after a blank line.
#[must_use]
pub fn tell(error: &anyhow::Error) -> String {
    let causes = error.chain().skip(1).map(|cause| format!("  cause: {cause}"));
    let hints: Vec<_> = problems(error).filter_map(|problem| problem.hint.as_ref()).collect();
    let gap = (!hints.is_empty()).then(String::new);
    let lines = std::iter::once(format!("error: {error}")).chain(causes).chain(gap);
    lines.chain(hints.into_iter().map(|hint| format!("hint: {hint}"))).map(|line| line + "\n").collect()
}

fn problems(error: &anyhow::Error) -> impl Iterator<Item = &Problem> {
    error.chain().filter_map(|cause| cause.downcast_ref())
}

/// The candidate that a mistyped word most likely meant, if one is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        // A third of the letters wrong is another word, not a slip.
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_hint() {
        let cause = std::io::Error::other("permission denied");
        let error = anyhow::Error::new(
            Problem::new(Code::Settings, "cannot read the certificate").hint("chown it").because(cause),
        );
        assert_eq!(
            tell(&error),
            "error: cannot read the certificate\n  cause: permission denied\n\nhint: chown it\n"
        );
        assert_eq!(code(&error), Code::Settings);
    }

    #[test]
    fn context_keeps_the_code_and_the_hint() {
        use anyhow::Context;
        let failed: Result<(), _> = Err(Problem::new(Code::Usage, "no such role").hint("imap"));
        let error = failed.context("cannot start").unwrap_err();
        assert_eq!(tell(&error), "error: cannot start\n  cause: no such role\n\nhint: imap\n");
        assert_eq!(code(&error), Code::Usage);
    }

    #[test]
    fn a_slip_is_corrected_and_another_word_is_not() {
        let roles = ["imap", "smtp", "smtp-bree", "mx"];
        assert_eq!(nearest("imapp", roles), Some("imap"));
        assert_eq!(nearest("stmp", roles), Some("smtp"));
        assert_eq!(nearest("gopher", roles), None);
    }
}
