//! How much room a terminal has, and one that is drawn on in place: what was there before comes back at the end, whatever the end is.
//!
//! Control sequences of ECMA-48 and xterm's alternate screen; no library, because a text that is drawn anew is all that is
//! needed (docs/decisions/0006-terminal.md).

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Another screen, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal that knows it holds what is between back and shows it at once; others pass it over.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// What a program can count on where the terminal does not tell its size.
pub const SIZE: (usize, usize) = (80, 24);

#[derive(Debug)]
pub struct Screen {
    /// How the keyboard was, when there is one.
    before: Option<Termios>,
    drawn: Option<(String, (usize, usize))>,
}

impl Screen {
    /// Takes the terminal, if there is one that can be drawn on.
    pub fn take() -> Option<Self> {
        let dumb = std::env::var("TERM").map_or(true, |term| term.is_empty() || term == "dumb");
        if dumb || !io::stdout().is_terminal() {
            return None;
        }
        // A key counts at once and is not shown; Ctrl-C is a key like others, so that no signal ends us half-drawn.
        let before = tcgetattr(stdin()).ok();
        if let Some(mut now) = before.clone() {
            now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &now);
        }
        let screen = Self { before, drawn: None };
        put(ENTER);
        Some(screen)
    }

    /// Shows the text for so many columns, as much of it as there is room for. Nothing is written when nothing has changed.
    pub fn draw(&mut self, text: impl FnOnce(usize) -> String) {
        let size = size(stdout()).unwrap_or(SIZE);
        let text = text(size.0);
        let now = Some((text.clone(), size));
        if self.drawn != now {
            put(&frame(&text, size));
            self.drawn = now;
        }
    }

    /// Waits so long for a key, and tells whether it was one that ends: q, Ctrl-C, Ctrl-D or the end of the keyboard.
    pub fn is_over(&self, within: Duration) -> bool {
        let keyboard = stdin();
        let mut fds = [PollFd::new(&keyboard, PollFlags::IN)];
        let timeout = Timespec::try_from(within).ok();
        if self.before.is_none() || !matches!(poll(&mut fds, timeout.as_ref()), Ok(1)) {
            return false;
        }
        let mut keys = [0; 64];
        match rustix::io::read(stdin(), &mut keys) {
            Ok(count) => count == 0 || keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | 3 | 4)),
            Err(_) => true,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// The columns and rows of a terminal; nothing when it is none.
pub fn size(terminal: impl AsFd) -> Option<(usize, usize)> {
    let told = tcgetwinsize(terminal).ok()?;
    // Serial lines tell nothing.
    let is_told = told.ws_col > 0 && told.ws_row > 0;
    Some(if is_told { (told.ws_col.into(), told.ws_row.into()) } else { SIZE })
}

/// The lines of a text that a window of this size has room for, each cut at the edge; the last one says how many more
/// there are.
pub fn fit(text: &str, (columns, rows): (usize, usize)) -> Vec<String> {
    let cut = |line: &str| line.chars().take(columns).collect();
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= rows {
        return lines.into_iter().map(cut).collect();
    }
    let shown = rows.saturating_sub(1);
    let more = (rows > 0).then(|| cut(&format!("  … {} more lines", lines.len() - shown)));
    lines[..shown].iter().map(|line| cut(line)).chain(more).collect()
}

/// The text over what was there: each line clears what is right of it, the last one clears what is below. Nothing is
/// cleared first, so nothing flickers; nothing is written below the last line, so nothing scrolls.
fn frame(text: &str, size: (usize, usize)) -> String {
    let lines: Vec<String> = fit(text, size).into_iter().map(|line| line + "\x1b[K").collect();
    format!("{BEGIN}\x1b[H{}\x1b[J{END}", lines.join("\r\n"))
}

/// Who has closed the terminal does not want it.
fn put(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_edge_and_none_is_below_the_last_row() {
        let framed = frame("one\ntwenty\nthree\n", (3, 9));
        assert_eq!(framed, "\x1b[?2026h\x1b[Hone\x1b[K\r\ntwe\x1b[K\r\nthr\x1b[K\x1b[J\x1b[?2026l");
        let framed = frame("a\nb\nc\nd\n", (80, 3));
        assert!(framed.contains("b\x1b[K\r\n  … 2 more lines") && !framed.contains('c'), "{framed:?}");
        assert_eq!(framed.matches("\r\n").count(), 2);
    }
}
