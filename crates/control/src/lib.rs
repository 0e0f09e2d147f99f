//! What a running init is asked, and what it answers.
//!
//! One request and one answer, each a line of JSON, over a Unix stream socket (unix(7)). In a container the
//! socket is abstract and named after the PID namespace, because a read-only root has no place to write and
//! containers that share the host's network share its abstract names; elsewhere it is a file.
//!
//! Invariants: only our own user and root are answered (the listener looks at the peer's credentials);
//! asking is blocking and bounded, so that a health probe needs no runtime; of a role it knows only how TLS
//! is spoken on a port.
//!
//! ```
//! use berth_control::Request;
//! assert_eq!(serde_json::to_string(&Request::Status)?, r#"{"request":"status"}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use berth_role::{Listening, TlsMode};
use serde::{Deserialize, Serialize};

mod listener;
mod metrics;
mod verdict;

pub use listener::{Asked, Callers, Listener};
pub use metrics::{Checks, Metrics};
pub use verdict::Verdict;

/// The longest line that either side reads; a status is some hundred bytes.
const LONGEST: u64 = 64 * 1024;

/// What can be asked of a running init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// How are you?
    Status,
    /// What have you counted?
    Metrics,
    /// Somebody has asked the role over its own protocol, and this came of it: to be counted.
    Checked {
        /// Whether its process is worth keeping was the question, and not whether the service is good for clients.
        live: bool,
        /// The answer.
        good: bool,
        /// How long it took.
        took_ms: u64,
    },
    /// With what are the stores asked that the role cannot do without?
    Credentials,
    /// Stop the main process as it should be stopped, and start it again.
    Restart,
}

/// What a running init answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Metrics`].
    Metrics(Box<Metrics>),
    /// To [`Request::Credentials`]: for a health probe, which is to read no settings. Whoever gets them may read the
    /// init's memory as well.
    Credentials {
        /// Those of each key-value store that has any; nobody else is logged in to more than once.
        credentials: Vec<Credentials>,
    },
    /// It will be done, or was.
    Accepted,
    /// It will not be done.
    Refused {
        /// Why not, for a person.
        reason: String,
    },
}

/// How an init and its main process are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The role, or nothing when a plain program is run.
    pub role: Option<String>,
    /// The init's version.
    pub version: String,
    /// The init's own process id, in its PID namespace.
    pub init: u32,
    /// The main process, while there is one.
    pub main: Option<Main>,
    /// What it is doing.
    pub state: State,
    /// For how long it has been doing that.
    pub for_ms: u64,
    /// From the start of the main process until it was ready, once it was.
    pub ready_after_ms: Option<u64>,
    /// How often the main process was started again.
    pub restarts: u32,
    /// The needs that have not answered yet, each with what it said last.
    pub waiting_for: Vec<String>,
    /// Where the role listens.
    pub ports: Vec<Port>,
    /// The file of the certificate that it serves, if it serves one.
    pub certificate: Option<PathBuf>,
    /// What has to answer too for the role to be healthy.
    pub needs: Vec<Need>,
}

/// Something that the role cannot do without, and where it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum Need {
    /// Another role.
    Role {
        /// Its name.
        name: String,
        /// The host under which it is reached.
        host: String,
        /// Its port.
        port: Port,
    },
    /// A document store.
    Documents {
        /// The setting that names it.
        setting: String,
        /// The hosts of its list.
        hosts: Vec<Host>,
        /// TLS is spoken there, from the first byte.
        tls: bool,
        /// That host is meant, whatever part it plays in its set.
        direct: bool,
    },
    /// A key-value store.
    KeyValue {
        /// The setting that names it.
        setting: String,
        /// Where it is.
        host: Host,
        /// TLS is spoken there, from the first byte.
        tls: bool,
    },
}

/// A need is called by the role's name, or by the setting that names the store.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { name, .. } => f.write_str(name),
            Self::Documents { setting, .. } | Self::KeyValue { setting, .. } => f.write_str(setting),
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Who logs in to a key-value store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The setting that names the store.
    pub setting: String,
    /// The user; empty for the default one.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Leaves out what may be a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ***)", self.setting)
    }
}

/// The main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Main {
    /// Its process id.
    pub pid: u32,
    /// It was stopped by a signal (SIGSTOP and the like) and does not run.
    pub stopped: bool,
}

/// What an init is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A need has not answered yet.
    Waiting,
    /// The main process runs and is not ready yet.
    Starting,
    /// The main process is ready.
    Ready,
    /// It is being stopped, for good or to be started again.
    Draining,
    /// It has failed, and will be started again after a pause.
    Restarting,
    /// Over.
    Ended,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Starting, Self::Ready, Self::Draining, Self::Restarting, Self::Ended];

    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Restarting => "restarting",
            Self::Ended => "ended",
        }
    }
}

/// A port of the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u16,
    /// How TLS is spoken there.
    pub tls: PortTls,
}

/// How TLS is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortTls {
    /// Not at all.
    None,
    /// After the client asked for it.
    Starttls,
    /// From the first byte.
    Implicit,
}

impl From<TlsMode> for PortTls {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::None => Self::None,
            TlsMode::StartTls => Self::Starttls,
            TlsMode::Implicit => Self::Implicit,
        }
    }
}

impl From<PortTls> for TlsMode {
    fn from(tls: PortTls) -> Self {
        match tls {
            PortTls::None => Self::None,
            PortTls::Starttls => Self::StartTls,
            PortTls::Implicit => Self::Implicit,
        }
    }
}

impl From<Listening> for Port {
    fn from(Listening { name, number, tls }: Listening) -> Self {
        Self { name: name.to_owned(), number, tls: tls.into() }
    }
}

/// The inode that every kernel gives to its first PID namespace (PID_NS_INIT_INO, linux/nsfs.h).
const NAMESPACE_OF_THE_MACHINE: u64 = 0xEFFF_FFFC;

/// Where an init listens for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    File(PathBuf),
    /// The abstract socket of the PID namespace with this inode.
    Namespace(u64),
}

impl Address {
    /// The abstract socket of the PID namespace that we are in.
    pub fn of_this_namespace() -> io::Result<Self> {
        nix::sys::stat::stat("/proc/self/ns/pid")
            .map(|stat| Self::Namespace(stat.st_ino))
            .map_err(io::Error::from)
    }

    /// Whether it is that of the PID namespace which the kernel was booted with, and so of no container.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        *self == Self::Namespace(NAMESPACE_OF_THE_MACHINE)
    }

    fn socket(&self) -> io::Result<SocketAddr> {
        match self {
            Self::File(path) => SocketAddr::from_pathname(path),
            Self::Namespace(_) => SocketAddr::from_abstract_name(self.to_string().trim_start_matches('@')),
        }
    }
}

/// An abstract socket as netstat(8) and ss(8) write it: its name after an `@`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Namespace(inode) => write!(f, "@berth-init-{inode}"),
        }
    }
}

/// Why an init gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no init answers at {0}")]
    Nobody(Address, #[source] io::Error),
    /// It listens, and did not answer in time or in full.
    #[error("the init did not answer")]
    Silent(#[source] io::Error),
    /// It answered something else.
    #[error("the init's answer was not understood")]
    Garbled(#[source] serde_json::Error),
}

/// Asks the init at `address`, and waits at most `patience` for each step.
pub fn ask(address: &Address, request: Request, patience: Duration) -> Result<Answer, AskError> {
    let nobody = |error| AskError::Nobody(address.clone(), error);
    let mut stream = UnixStream::connect_addr(&address.socket().map_err(nobody)?).map_err(nobody)?;
    let line = talk(&mut stream, request, patience).map_err(|error| match error.kind() {
        // How a socket's timeout is told (socket(7)).
        io::ErrorKind::WouldBlock => AskError::Silent(io::ErrorKind::TimedOut.into()),
        _ => AskError::Silent(error),
    })?;
    serde_json::from_str(&line).map_err(AskError::Garbled)
}

fn talk(stream: &mut UnixStream, request: Request, patience: Duration) -> io::Result<String> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_string(&request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut answer)?;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}
