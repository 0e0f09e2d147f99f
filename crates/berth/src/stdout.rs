//! Data that a command prints; talk goes to stderr, see `view`.

use std::io::Write;

/// Prints a text at once. Whoever closed stdout does not want it.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
