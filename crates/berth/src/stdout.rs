//! Data that a command prints; talk goes to stderr, see `view`.

use std::io::Write;

use crate::screen;

/// Prints a text at once. Whoever closed stdout does not want it.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// How many columns there are, where stdout is a terminal.
pub fn columns() -> Option<usize> {
    screen::size(std::io::stdout()).map(|(columns, _)| columns)
}
