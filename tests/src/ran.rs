//! What a command came to, and what a test found out.

use std::io::Write;
use std::process::Output;

use crate::skip;

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
}

/// Whether these programs are here; else says that what needs them is skipped.
#[must_use]
pub fn have(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let absent: Vec<_> = programs.iter().filter(|program| !is_there(program)).copied().collect();
    if !absent.is_empty() {
        skip(&format!("there is no {}", absent.join(", no ")));
    }
    absent.is_empty()
}

/// Tells what was found out, though the test passes: the harness holds back only what the print macros write.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
