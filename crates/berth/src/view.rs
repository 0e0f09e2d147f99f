//! What a person sees while an engine works: a table that is drawn again and again on a terminal, plain lines
//! anywhere else. Talk goes to stderr, and whoever closed that misses it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use berth_engine::plan::Why;
use berth_engine::{Event, Seen, State, Watcher};

use crate::interrupts::Interrupts;
use crate::{again, table};

const REDRAW: Duration = Duration::from_millis(100);
const SAY_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct View {
    pub interrupts: Interrupts,
    begin: Instant,
    terminal: bool,
    /// Whether the table is drawn: not while nothing is awaited.
    pub live: bool,
    drawn: usize,
    last: Option<Instant>,
    told: BTreeMap<String, State>,
}

impl View {
    pub fn new(interrupts: Interrupts, terminal: bool) -> Self {
        let begin = Instant::now();
        Self { interrupts, begin, terminal, live: true, drawn: 0, last: None, told: BTreeMap::new() }
    }

    pub fn on_stderr() -> io::Result<Self> {
        Ok(Self::new(Interrupts::count()?, io::stderr().is_terminal()))
    }

    /// Says a line, above the table.
    pub fn say(&mut self, line: &str) {
        write(&format!("{}{line}\n", self.erasure()));
        self.drawn = 0;
    }

    /// Takes the table away.
    pub fn settle(&mut self) {
        write(&self.erasure());
        self.drawn = 0;
        self.last = None;
    }

    /// How long it has been since the start.
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Moves up over the table and clears to the end of the screen (ECMA-48 CUU and ED); the terminal may have
    /// shown a ^C at the line's start.
    fn erasure(&self) -> String {
        match (self.terminal, self.drawn) {
            (false, _) => String::new(),
            (true, 0) => "\r\x1b[J".to_owned(),
            (true, lines) => format!("\r\x1b[{lines}A\x1b[J"),
        }
    }

    fn draw(&mut self, seen: &[Seen]) {
        if self.last.is_some_and(|last| last.elapsed() < REDRAW) {
            return;
        }
        let text = format!("{}\n  {}\n", table::roles(seen), awaited(seen, self.elapsed()));
        let text = format!("{}{text}", self.erasure());
        write(&text);
        self.drawn = text.matches('\n').count();
        self.last = Some(Instant::now());
    }

    /// A line for each that got ready or ran into trouble, and now and then what is waited for.
    fn tell(&mut self, seen: &[Seen]) {
        for seen in seen {
            let before = self.told.insert(seen.name.clone(), seen.state);
            let line = match seen.state {
                _ if before == Some(seen.state) => continue,
                // It was adopted, and that was said.
                state if state.is_good() && before.is_none() => continue,
                state if state.is_good() => {
                    let after = seen.ready_after_ms.map(|ms| table::time(Duration::from_millis(ms)));
                    let after = after.map(|after| format!(" after {after}"));
                    format!("{} is {}{}", seen.name, state.word(), after.unwrap_or_default())
                }
                State::Unhealthy => {
                    let because =
                        seen.health.as_ref().map(|health| format!(": {}", table::first_line(health)));
                    format!("{} is unhealthy{}", seen.name, because.unwrap_or_default())
                }
                // A container that is made and waits for its turn is no trouble.
                State::Is(berth_control::State::Waiting) if seen.init.is_none() => continue,
                State::Is(berth_control::State::Waiting | berth_control::State::Pausing) => {
                    format!("{} is {}", seen.name, seen.state.word())
                }
                _ => continue,
            };
            self.say(&line);
            self.last = Some(Instant::now());
        }
        if seen.iter().any(|seen| !seen.state.is_good()) {
            let last = *self.last.get_or_insert_with(Instant::now);
            if last.elapsed() >= SAY_AGAIN {
                self.say(&awaited(seen, self.elapsed()));
                self.last = Some(Instant::now());
            }
        }
    }
}

impl Watcher for View {
    fn saw(&mut self, seen: &[Seen]) {
        match (self.live, self.terminal) {
            (false, _) => {}
            (true, true) => self.draw(seen),
            (true, false) => self.tell(seen),
        }
    }

    fn heard(&mut self, event: Event) {
        if let Event::Restarted(name, _) = &event {
            // That it is well again is said by this.
            self.told.remove(name);
        }
        self.say(&told(&event));
    }

    fn interrupts(&self) -> usize {
        self.interrupts.so_far()
    }
}

/// Talk that nobody listens to is no error.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// What is waited for, and since when.
fn awaited(seen: &[Seen], elapsed: Duration) -> String {
    // What is not started yet waits for what is told of.
    let is_behind =
        |seen: &&Seen| seen.state == State::Is(berth_control::State::Waiting) && seen.init.is_none();
    let (behind, awaited): (Vec<&Seen>, Vec<&Seen>) =
        seen.iter().filter(|seen| !seen.state.is_good()).partition(is_behind);
    let waits = awaited.into_iter().map(|seen| {
        let since = seen.for_ms.map(|ms| format!(" for {}", table::time(Duration::from_millis(ms))));
        let needs = match (&seen.waiting_for[..], &seen.health) {
            ([], Some(health)) => format!(": {}", table::first_line(health)),
            ([], None) => String::new(),
            (needs, _) => format!(": {}", needs.join("; ")),
        };
        format!("{} ({}{}{needs})", seen.name, seen.state.word(), since.unwrap_or_default())
    });
    let behind = (!behind.is_empty()).then(|| format!("{} behind them", behind.len()));
    let waits: Vec<String> = waits.chain(behind).collect();
    match (waits.is_empty(), table::time(elapsed)) {
        (true, elapsed) => format!("all ready; {elapsed}"),
        (false, elapsed) => format!("waiting for {}; {elapsed}", waits.join(", ")),
    }
}

/// An event as a line.
fn told(event: &Event) -> String {
    match event {
        Event::Adopted(name) => format!("{name} runs already"),
        Event::Started(name) => format!("{name} is started"),
        Event::Replaced(name, keys) => {
            format!("{name} is started anew, with another {}", keys.join(", another "))
        }
        Event::Restarted(name, after) => {
            format!("{name} reads changed files: started again, ready after {}", table::time(*after))
        }
        Event::Fetching(image) => format!("fetching {image}"),
        Event::Building(images) => format!("building {}", images.join(", ")),
        Event::Stopping(name, Why::Unwanted) => format!("{name} is not wanted any more: stopping it"),
        Event::Stopping(name, Why::Changed(keys)) => {
            let keys = keys.iter().map(|key| if key == "BERTH_STAMP" { "a file that it reads" } else { key });
            format!("{name} runs with other settings ({}): stopping it", keys.collect::<Vec<_>>().join(", "))
        }
        Event::Stopped(name, after) => format!("{name} stopped after {}", table::time(*after)),
        Event::Killed(name, count) => format!("{name}: killed {count} of its processes that were left"),
        Event::Ended(name, pause) => {
            format!("{name} ended by itself; started again in {}", table::time(*pause))
        }
        Event::GivenUp(name) => {
            let logs = again::berth(&format!("logs {name}"));
            format!("{name} ends again and again and is left alone: {logs}")
        }
        Event::StillStopping(left) => {
            let one =
                |(name, rest): &(String, Duration)| format!("{name} (at most {} more)", table::time(*rest));
            let left: Vec<String> = left.iter().map(one).collect();
            format!("still stopping: {}; once more kills them", left.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_and_never_its_value() {
        let why = Why::Changed(vec!["BERTH_STAMP".into(), "IMAP_PORT".into()]);
        let line = told(&Event::Stopping("imap".into(), why));
        assert_eq!(line, "imap runs with other settings (a file that it reads, IMAP_PORT): stopping it");
    }
}
