//! Log lines on standard error, which never make the program wait.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An object a line, for machines.
    Json,
    /// A line for people.
    Text,
}

/// A pipe takes this many bytes whole or not at all (PIPE_BUF, pipe(7)), so a longer line could be cut into by
/// another writer of the same pipe.
const LONGEST: usize = 4096;

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many log lines were dropped because nobody read them, or because they were too long.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Sends log lines to stderr. Without a format: text on a terminal, JSON anywhere else. `filter` is a list of
/// `level` or `target=level`; what cannot be read in it is taken as `info`.
pub fn start(format: Option<Format>, filter: Option<&str>) {
    let terminal = io::stderr().is_terminal();
    let filter = filter.and_then(|filter| filter.parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    // Only a second call can fail, and the first one's choice is as good.
    let _ = tracing::subscriber::set_global_default(Log { filter, format, writer: OnceLock::new() });
}

/// The log. What writes it is made when there is something to write: the library keeps 32 KiB for the spans of 4,096 threads, and an
/// init with nothing to say, of which there may be many, is not to have them.
struct Log {
    filter: Targets,
    format: Format,
    writer: OnceLock<Box<dyn Subscriber + Send + Sync>>,
}

impl Log {
    fn writer(&self) -> &(dyn Subscriber + Send + Sync) {
        self.writer.get_or_init(|| {
            let writer = fmt::Subscriber::builder().with_max_level(Level::TRACE);
            let writer = writer.with_target(false).with_writer(|| Stderr);
            match self.format {
                Format::Json => Box::new(
                    writer.json().flatten_event(true).with_current_span(false).with_span_list(false).finish(),
                ),
                Format::Text => Box::new(writer.with_ansi(false).finish()),
            }
        })
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        self.writer().event(event);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.writer().new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.writer().record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.writer().record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.writer().enter(span);
    }

    fn exit(&self, span: &Id) {
        self.writer().exit(span);
    }
}

/// Standard error, written only when it takes a line at once: a supervisor that waits for whoever reads its log
/// no longer supervises.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let takes_it = matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1))
            // A reader that has gone shows as an error beside it, and a write would bring SIGPIPE upon us.
            && fds[0].revents() == Some(PollFlags::POLLOUT);
        let written = line.len() <= LONGEST && takes_it && stderr.lock().write_all(line).is_ok();
        if !written {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
