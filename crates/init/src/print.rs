//! Data on standard output. A reader who leaves early, as `head` does, gets no trace of a panic.

use std::io::Write;

use serde::Serialize;

/// Prints lines.
pub fn lines(lines: &[String]) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all((lines.join("\n") + "\n").as_bytes())?)
}

/// Prints something for a program to read.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    lines(&[serde_json::to_string_pretty(value)?])
}
