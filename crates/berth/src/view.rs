//! What a person sees while an engine works: a table that is drawn again and again on a terminal, plain lines
//! anywhere else. Talk goes to stderr, and whoever closed that misses it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use berth_engine::plan::Why;
use berth_engine::{Event, OnceMore, Seen, State, Watcher};

use crate::interrupts::Interrupts;
use crate::watch::{self, Watch};
use crate::{again, screen, table};

const REDRAW: Duration = Duration::from_millis(100);
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// What is told of how the instances are.
#[derive(Debug)]
pub enum Shows {
    /// How far they are, while something is awaited.
    Progress,
    /// Nothing.
    Nothing,
    /// What changes, while they are kept up.
    Changes(Watch),
}

#[derive(Debug)]
pub struct View {
    pub interrupts: Interrupts,
    begin: Instant,
    terminal: bool,
    pub shows: Shows,
    drawn: usize,
    last: Option<Instant>,
    told: BTreeMap<String, State>,
}

impl View {
    pub fn new(interrupts: Interrupts, terminal: bool) -> Self {
        let begin = Instant::now();
        Self {
            interrupts,
            begin,
            terminal,
            shows: Shows::Progress,
            drawn: 0,
            last: None,
            told: BTreeMap::new(),
        }
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
        let lines = picture(seen, self.elapsed(), screen::size(io::stderr()).unwrap_or(screen::SIZE));
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        write(&format!("{}{text}", self.erasure()));
        self.drawn = lines.len();
        self.last = Some(Instant::now());
    }

    /// A line for each that got ready or ran into trouble, and now and then what is waited for.
    fn tell(&mut self, seen: &[Seen]) {
        // One that gives no answer now is as it was, as far as anybody knows.
        for seen in seen.iter().filter(|seen| seen.state != State::Silent) {
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
                State::Is(berth_control::State::Waiting | berth_control::State::Restarting) => {
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
        match &mut self.shows {
            Shows::Nothing => {}
            Shows::Progress if self.terminal => self.draw(seen),
            Shows::Progress => self.tell(seen),
            Shows::Changes(watch) => {
                let changes = watch.see(seen, Instant::now());
                // That it ended, and when it is started again, is told as an event.
                let is_down = |change: &String| {
                    let mut down = seen.iter().filter(|seen| seen.state == State::Down);
                    down.any(|seen| *change == watch::is(seen))
                };
                changes.iter().filter(|change| !is_down(change)).for_each(|change| self.say(change));
            }
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

/// The table and what is waited for, in lines that do not wrap and are fewer than the window has: the cursor comes to
/// stand below them, and moves up again over as many lines as were written.
fn picture(seen: &[Seen], elapsed: Duration, (columns, rows): (usize, usize)) -> Vec<String> {
    let room = rows.saturating_sub(1);
    // A line that is full makes some terminals go on to the next.
    let columns = columns.saturating_sub(1);
    let mut lines = screen::fit(&table::roles(seen, Some(columns)), (columns, room.saturating_sub(2)));
    lines.push(String::new());
    let waits = fold(&awaited(seen, elapsed), columns.saturating_sub(2));
    let waits: String = waits.iter().flat_map(|line| ["  ", line, "\n"]).collect();
    lines.extend(screen::fit(&waits, (columns, room.saturating_sub(lines.len()).max(1))));
    lines.truncate(room);
    lines
}

/// A text in lines of at most this width, where its words allow it.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        let length = lines[line].chars().count();
        match length {
            0 => lines[line].push_str(word),
            _ if length + 1 + word.chars().count() <= width => lines[line].extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
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
    let behind = (!behind.is_empty()).then(|| match behind.len() {
        1 => "1 is started after that".to_owned(),
        many => format!("{many} are started after that"),
    });
    let waits: Vec<String> = waits.chain(behind).collect();
    match (waits.is_empty(), table::time(elapsed)) {
        (true, elapsed) => format!("all ready; {elapsed}"),
        (false, elapsed) => format!("waiting for {elapsed}: {}", waits.join(", ")),
    }
}

/// That logs could not be put aside.
pub fn untended(why: &str) -> String {
    format!("a log that is too long cannot be put aside, and grows on: {why}")
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
        Event::WantedAgain(true) => "another berth up wants the same: it has taken this over too".to_owned(),
        Event::WantedAgain(false) => "another berth up wants something else: that is kept up now".to_owned(),
        Event::GivenUp(name) => {
            let logs = again::berth(&format!("logs {name}"));
            format!("{name} ends again and again and is left alone: {logs}")
        }
        Event::Untended(why) => untended(why),
        Event::Unremembered(why) => format!(
            "it cannot be written down that this is taken down: {why}. Until {} could do that, {} tells of roles that do \
             not run, and another berth up that still runs starts them again",
            again::berth("down"),
            again::berth("status")
        ),
        Event::StillStopping(left, once_more) => {
            let one =
                |(name, rest): &(String, Duration)| format!("{name} (at most {} more)", table::time(*rest));
            let left: Vec<String> = left.iter().map(one).collect();
            let once_more = match once_more {
                OnceMore::Kills => "kills them",
                OnceMore::Leaves => "ends the waiting, and what was not asked to stop yet goes on running",
            };
            format!("still stopping: {}; once more {once_more}", left.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_engine::Instance;

    fn many(state: State) -> Vec<Seen> {
        let one = |number: u32| {
            let instance = Instance { name: format!("role-{number}"), ..Instance::default() };
            let waiting_for = vec![format!("sqlite: 127.0.0.1:{}: connect: cannot connect", 10_000 + number)];
            let init = Some(100_000 + number);
            Seen { init, for_ms: Some(1200), waiting_for, ..Seen::new(&instance, state) }
        };
        (0..12).map(one).collect()
    }

    /// Rows of 104 columns and a line of 221 wrapped, and each picture left hundreds of scrolled lines behind.
    #[test]
    fn what_is_drawn_never_wraps_and_never_scrolls() {
        let elapsed = Duration::from_secs(75);
        for state in [State::READY, State::Is(berth_control::State::Waiting)] {
            for size in [(80, 24), (40, 24), (80, 14), (20, 5), (132, 50), (1, 1)] {
                let lines = picture(&many(state), elapsed, size);
                let wide = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
                assert!(wide < size.0.max(1) || wide == 0, "{size:?}: {lines:#?}");
                assert!(lines.len() < size.1.max(1) || lines.is_empty(), "{size:?}: {lines:#?}");
            }
        }
        let lines = picture(&many(State::Is(berth_control::State::Waiting)), elapsed, (80, 24));
        assert!(
            lines[14].starts_with("  waiting for 75.0 s: role-0 (waiting for 1.2 s: sqlite: "),
            "{lines:#?}"
        );
        assert!(lines[22].ends_with(" more lines"), "{lines:#?}");
        assert!(
            picture(&many(State::READY), elapsed, (80, 10)).iter().any(|line| line == "  all ready; 75.0 s")
        );
    }

    #[test]
    fn what_is_not_started_yet_is_counted_in_words_that_say_so() {
        let mut seen = many(State::Is(berth_control::State::Starting));
        for waits in &mut seen[1..] {
            waits.state = State::Is(berth_control::State::Waiting);
            waits.init = None;
        }
        let told = awaited(&seen[..3], Duration::from_secs(7));
        assert!(told.ends_with("), 2 are started after that"), "{told}");
        assert!(awaited(&seen[..2], Duration::ZERO).ends_with("), 1 is started after that"));
    }

    #[test]
    fn what_changed_is_named_and_never_its_value() {
        let why = Why::Changed(vec!["BERTH_STAMP".into(), "IMAP_PORT".into()]);
        let line = told(&Event::Stopping("imap".into(), why));
        assert_eq!(line, "imap runs with other settings (a file that it reads, IMAP_PORT): stopping it");
    }
}
