//! What a role is.
//!
//! A role is one of the programs that make up the mail service. Everything that is particular to it is a
//! [`Role`]: a constant of plain data, declared by one small crate (`role-imap`, `role-mx`, …) and gathered by
//! the catalogue. What runs, waits, probes and renders reads these constants and names no role.
//!
//! Invariants: no I/O, no knowledge of any particular role, no dependency on another crate of the workspace.
//! Settings come in as a look-up function, so that a file, the environment or a test can answer it.
//!
//! ```
//! use berth_role::{Exposure, Port, Tls, TlsMode};
//! let port = Port {
//!     name: "imaps", number: 2993, published: 993, setting: "IMAP_PORT",
//!     exposure: Exposure::Public, tls: Tls::ImplicitOn(&[993, 2993]),
//! };
//! let settings = |key: &str| (key == "IMAP_PORT").then(|| "993".to_owned());
//! let listening = port.resolve(&settings)?;
//! assert_eq!((listening.number, listening.tls), (993, TlsMode::Implicit));
//! # Ok::<(), berth_role::PortError>(())
//! ```

use std::fmt;
use std::time::Duration;

mod bytes;
mod heap;
mod place;
mod port;
mod settings;

pub use bytes::Bytes;
pub use heap::Heap;
pub use place::{Bounds, Hostname, Memory, Place, Volume};
pub use port::{Exposure, Listening, Port, PortError, Tls, TlsMode};

/// One program of the service: what to run, what it needs, how it tells that it is ready, how it is asked
/// whether it is healthy, and how it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The word that selects it: `berth-init imap`.
    pub name: &'static str,
    /// Whom it serves and how, in one line, with the RFC where there is one.
    pub serves: &'static str,
    /// The part it plays; decides the order in which equals are started.
    pub kind: Kind,
    /// The file that Node is given, relative to the application's folder.
    pub entrypoint: &'static str,
    /// Whether an installation that only forwards mail, and keeps no mailboxes, has it.
    pub forwards: bool,
    /// The setting that names the host under which other roles reach it, if others do.
    pub host: Option<&'static str>,
    /// Where it listens; empty for workers.
    pub ports: &'static [Port],
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// The role that carries on with what this one takes in, by way of a store: neither is asked nor waited for, and without
    /// it what was taken in stays in the store.
    pub hands_to: Option<&'static str>,
    /// How it tells that it is ready.
    pub readiness: Readiness,
    /// How long it may take to get ready, from the moment it was started.
    pub ready_within: Duration,
    /// When it is started.
    pub start: Start,
    /// The settings that name the files of the certificate it serves, if it serves one.
    pub certificate: Option<Certificate>,
    /// The settings that few roles read, and this one does; not those that its other fields name.
    pub reads: &'static [&'static str],
    /// What is asked of it to know whether it is good for clients, in this order.
    pub health: &'static [Check],
    /// How it is stopped.
    pub stop: Stop,
    /// How much of its memory V8's heap may take.
    pub heap: Heap,
    /// What it asks of the container that it runs in.
    pub place: Place,
}

impl Role {
    /// The names of the other roles that it needs with this strength.
    pub fn needed_roles(&self, strength: Strength) -> impl Iterator<Item = &'static str> {
        let needs = self.needs.iter().filter(move |need| need.strength == strength);
        needs.filter_map(|need| match need.on {
            Upstream::Role(name) => Some(name),
            Upstream::Documents(_) | Upstream::KeyValue(_) => None,
        })
    }
}

/// The settings that name the files of a certificate, all three PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself, and those between it and the authority.
    pub chain: &'static str,
    /// Its private key.
    pub key: &'static str,
    /// The authority's certificates.
    pub authority: &'static str,
}

/// The part that a role plays. The order of the variants is the order of starting among roles that do not
/// need each other: mail is never kept waiting by the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Keeps the mailboxes for the others.
    Store,
    /// Speaks a mail protocol to the world.
    Mail,
    /// Speaks HTTP to the world.
    Web,
    /// Works behind the others; has no port.
    Worker,
}

impl Kind {
    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Mail => "mail",
            Self::Web => "web",
            Self::Worker => "worker",
        }
    }
}

/// Something outside the role's own process that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// What is needed.
    pub on: Upstream,
    /// Whether the role is worth starting, and counts as healthy, without it.
    pub strength: Strength,
}

/// What a role can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// A document store (MongoDB's protocol), named by the setting that holds its URI. Empty: not needed.
    Documents(&'static str),
    /// A key-value store (Redis' protocol), named by the prefix of its settings: `IMAP_REDIS_` for
    /// `IMAP_REDIS_HOST` and so on. An empty host: not needed.
    KeyValue(&'static str),
    /// Another role, by name.
    Role(&'static str),
}

/// How much a need matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Waited for before the start, and asked for health.
    Hard,
    /// Used when it is there; neither waited for nor asked.
    Lazy,
}

impl Need {
    /// A need that is waited for, and without which the role is not healthy.
    #[must_use]
    pub const fn hard(on: Upstream) -> Self {
        Self { on, strength: Strength::Hard }
    }

    /// A need that the role can be without for a while.
    #[must_use]
    pub const fn lazy(on: Upstream) -> Self {
        Self { on, strength: Strength::Lazy }
    }
}

/// How a role tells that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It sends `"ready"` on the IPC channel that NODE_CHANNEL_FD names.
    Message,
    /// It never says so: its needs have answered and it has been alive this long. A message counts as well.
    AliveFor(Duration),
}

/// When a role is started, as far as its needs leave that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// Along with the others, mail before the rest.
    WithOthers,
    /// When all others are healthy: its start takes so much of the machine that they would not get well beside it.
    Last,
}

impl Start {
    /// The words for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WithOthers => "with-others",
            Self::Last => "last",
        }
    }
}

/// A question that is put to a role over its own protocol, on its own port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The port accepts a connection.
    Tcp,
    /// Banner, EHLO, STARTTLS where it is offered, QUIT (RFC 5321, RFC 3207).
    Smtp,
    /// Greeting, CAPABILITY, LOGOUT (RFC 9051).
    Imap,
    /// Greeting, CAPA, QUIT (RFC 1939, RFC 2449).
    Pop3,
    /// GET of the path answers with one of these statuses (RFC 9110).
    Http {
        /// The path of the request.
        path: &'static str,
        /// The statuses that are good; all others are not.
        statuses: &'static [u16],
    },
    /// A PROPFIND without credentials is refused with 401, as RFC 4918 clients rely on.
    DavUnauthorized,
    /// A WebSocket upgrade without credentials is refused with 401 (RFC 6455, RFC 9110).
    WebSocketUnauthorized,
    /// The certificate that is served is valid now, and is the one on disk.
    Certificate,
}

/// The question in words, for logs, errors and pages.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("TCP connection"),
            Self::Smtp => f.write_str("SMTP greeting"),
            Self::Imap => f.write_str("IMAP greeting"),
            Self::Pop3 => f.write_str("POP3 greeting"),
            Self::Http { path, .. } => write!(f, "GET {path}"),
            Self::DavUnauthorized => f.write_str("DAV asks for credentials"),
            Self::WebSocketUnauthorized => f.write_str("WebSocket asks for credentials"),
            Self::Certificate => f.write_str("certificate"),
        }
    }
}

/// How a role is stopped. The grace contains all the rest: the wait for a quiet moment, the drain, and what is left then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// How long the TERM of its main process may wait for a moment in which no client is connected; for a role that would
    /// cut them all off, and whose clients leave by themselves.
    pub quiet: Option<Duration>,
    /// From that TERM until the rest of its processes get TERM too, should main still run.
    pub drain: Duration,
    /// From the beginning until everything that is left gets KILL.
    pub grace: Duration,
    /// The exit codes of an asked-for stop that are no failure. An end that nobody asked for always is one.
    pub normal: &'static [u8],
}

impl Stop {
    /// What the application's programs, and most of Node, end an asked-for stop with: all done, something of it failed, or
    /// INT or TERM before anybody listened for it (128 and the signal's number).
    pub const USUAL: &'static [u8] = &[0, 1, 130, 143];

    /// How long whoever stops a role's init has to give it: the grace, and 5 s to look after what is left and to end.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.grace + Duration::from_secs(5)
    }
}
