//! sqlite keeps every mailbox: it is the only role that writes them, one encrypted SQLite file each, and the
//! others reach it over a WebSocket on a private port.
//!
//! Needs: the document store and the key-value store. In production it speaks TLS with the web certificate.
//!
//! Odd about it:
//! - It never answers a plain GET: only a WebSocket upgrade is answered, with 401 when it lacks credentials.
//! - It may take 60 s to stop (open transactions, then a checkpoint of each mailbox), and a KILL before that
//!   leaves the write-ahead logs behind. Docker's own 10 s are far too short.
//! - It loads the application twice, the second time in a worker thread: twice the memory of the others.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream, Volume,
};

/// The keeper of the mailboxes.
pub const ROLE: Role = Role {
    name: "sqlite",
    serves: "the other roles read and write mailboxes through it",
    kind: Kind::Store,
    entrypoint: "sqlite.js",
    forwards: false,
    host: Some("SQLITE_HOST"),
    ports: &[Port {
        name: "sqlite",
        number: 3456,
        published: 3456,
        setting: "SQLITE_PORT",
        exposure: Exposure::Private,
        tls: Tls::InProduction,
    }],
    needs: &[Need::hard(Upstream::Documents("MONGO_URI")), Need::hard(Upstream::KeyValue("IMAP_REDIS_"))],
    hands_to: None,
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "WEB_SSL_CERT_PATH",
        key: "WEB_SSL_KEY_PATH",
        authority: "WEB_SSL_CA_PATH",
    }),
    reads: &["API_SECRETS", "SQLITE_STORAGE_PATH", "SQLITE_TMPDIR"],
    health: &[Check::WebSocketUnauthorized, Check::Certificate],
    // 60 s is the application's own limit; the rest is for what it leaves behind.
    stop: Stop {
        quiet: None,
        drain: Duration::from_mins(1),
        grace: Duration::from_secs(75),
        normal: Stop::USUAL,
    },
    // The second thread loads the application again.
    heap: Heap::Share { percent: 60, threads: 2 },
    place: Place {
        hostname: Hostname::Own,
        outside: None,
        volumes: &[Volume::Mailboxes],
        memory: Memory {
            application: Bounds::mebibytes(1173, 2560),
            // 772 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(87, 1280),
        },
    },
};
