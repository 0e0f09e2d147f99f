//! A terminal that is drawn on in place: what was there before comes back at the end, whatever the end is.
//!
//! Control sequences of ECMA-48 and xterm's alternate screen; no library, because a text that is drawn anew is all that is
//! needed (docs/decisions/0006-terminal.md).

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
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
const SIZE: (usize, usize) = (80, 24);

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

    /// Shows this text, as much of it as there is room for. Nothing is written when nothing has changed.
    pub fn draw(&mut self, text: &str) {
        let size = size();
        let now = Some((text.to_owned(), size));
        if self.drawn != now {
            put(&frame(text, size));
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

fn size() -> (usize, usize) {
    let told = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or(SIZE, |size| (size.ws_col.into(), size.ws_row.into()))
}

/// The text over what was there: each line is cut at the edge and clears what is right of it, the last one clears what
/// is below. Nothing is cleared first, so nothing flickers; nothing is written below the last line, so nothing scrolls.
fn frame(text: &str, (columns, rows): (usize, usize)) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = if lines.len() > rows { rows.saturating_sub(1) } else { lines.len() };
    let mut frame = format!("{BEGIN}\x1b[H");
    for (at, line) in lines[..shown].iter().enumerate() {
        let cut: String = line.chars().take(columns).collect();
        let _ = write!(frame, "{}{cut}\x1b[K", if at > 0 { "\r\n" } else { "" });
    }
    if shown < lines.len() {
        let more: String = format!("  … {} more lines", lines.len() - shown).chars().take(columns).collect();
        let _ = write!(frame, "{}{more}\x1b[K", if shown > 0 { "\r\n" } else { "" });
    }
    frame + "\x1b[J" + END
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
