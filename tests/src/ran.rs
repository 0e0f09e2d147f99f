//! What a command came to.

use std::process::{Command, Output};

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; nothing when a signal ended it, or it could not be run.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Ran {
    /// What an ended command came to.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs a command to its end.
    #[must_use]
    pub fn run(command: &mut Command) -> Self {
        match command.output() {
            Ok(output) => Self::of(&output),
            Err(error) => Self { code: None, out: String::new(), err: format!("{command:?}: {error}") },
        }
    }

    /// Runs a command that has to end well.
    #[track_caller]
    #[allow(clippy::must_use_candidate)] // Most of the time what it did is all that is wanted.
    pub fn done(command: &mut Command) -> Self {
        let ran = Self::run(command);
        assert_eq!(ran.code, Some(0), "{command:?}:\n{}\n{}", ran.out, ran.err);
        ran
    }
}
