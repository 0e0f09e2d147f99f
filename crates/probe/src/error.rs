//! What goes wrong with a check, and how it is told.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::rustls;

use crate::Target;

/// A check that failed: where, at which step, how, after how long, and what the service had said by then.
#[derive(Debug)]
pub struct ProbeError {
    /// The host and port that were asked.
    pub target: String,
    /// What was being done: `connect`, `greeting`, `EHLO`, …
    pub step: &'static str,
    /// What went wrong.
    pub fault: Fault,
    /// The time since this step began.
    pub after: Duration,
    /// The beginning of what was read in this step, printable, at most 120 bytes.
    pub read: String,
}

/// What goes wrong with a check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody listens there, or the way is barred, or the name is not known.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection was reset or the like.
    #[error("the connection broke")]
    Broke(#[source] io::Error),
    /// What came is not TLS, or no TLS that this client speaks.
    #[error("no TLS")]
    NotTls(#[source] io::Error),
    /// The name cannot be asked for in TLS.
    #[error("{0:?} is no server name")]
    ServerName(String),
    /// The step's time, or the check's, is over.
    #[error("no complete answer in time")]
    Deadline,
    /// The service hung up.
    #[error("the service closed the connection")]
    Closed,
    /// The service sends without end.
    #[error("more than {} KiB of answer", crate::connection::LONGEST / 1024)]
    Endless,
    /// The answer is not the right one.
    #[error("wrong answer, expected {0}")]
    Wrong(String),
    /// TLS is expected and the service does not offer to start it.
    #[error("STARTTLS is not offered")]
    NoStartTls,
    /// Plain text after the agreement to start TLS: what comes before the handshake must not count (RFC 3207
    /// section 4.2).
    #[error("plain text between STARTTLS and the handshake")]
    Injected,
    /// The service wants other credentials, or any.
    #[error("the credentials are refused")]
    Refused,
    /// It answers and cannot be written: a secondary, or one without a set.
    #[error("no host of the list is a primary")]
    NotPrimary,
    /// This client cannot ask that.
    #[error("this client cannot {0}")]
    Unsupported(&'static str),
    /// The certificate is over.
    #[error("the certificate expired {} ago", days(.0))]
    Expired(Duration),
    /// The certificate is from tomorrow; or the clock is wrong.
    #[error("the certificate is not valid before {} from now", days(.0))]
    NotYetValid(Duration),
    /// The certificate cannot be understood.
    #[error("cannot read the certificate that is served")]
    Illegible(#[source] rustls::Error),
    /// The file that should be served cannot be read.
    #[error("cannot read the certificates in {}", .0.display())]
    File(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// The service still holds another certificate.
    #[error("the certificate that is served is not the one in {}", .0.display())]
    Differs(PathBuf),
    /// Clients need the certificates between theirs and this one.
    #[error("{served} of the {held} certificates in {} are served", .path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// How many are served.
        served: usize,
        /// How many the file holds.
        held: usize,
    },
}

impl ProbeError {
    /// An error in which nothing was waited for or read.
    pub(crate) fn new(target: &Target, step: &'static str, fault: Fault) -> Self {
        let target = format!("{}:{}", target.host, target.port);
        Self { target, step, fault, after: Duration::ZERO, read: String::new() }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, step, fault, after, read } = self;
        write!(f, "{target}: {step}: {fault} (after {} ms", after.as_millis())?;
        if read.is_empty() { write!(f, ")") } else { write!(f, ", read {read:?})") }
    }
}

/// The fault is part of what is shown, so the chain goes on behind it.
impl Error for ProbeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

pub(crate) fn days(time: &Duration) -> String {
    match time.as_secs() {
        seconds @ 0..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
