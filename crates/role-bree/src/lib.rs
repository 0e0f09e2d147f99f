//! bree runs the jobs behind everything: expiry, DNS checks of domains, reports, clean-up.
//!
//! Needs: the document store and the key-value store; sqlite lazily, for the jobs that touch mailboxes.
//!
//! Odd about it:
//! - Its start runs every job at once: some 110 s of two cores and up to 14 GB in the application that was
//!   measured. Never start it together with the rest, and warn below that much memory.
//! - Newer releases say ready, older ones never do: a message is welcome and not required.
//! - Asked to stop it ends with 1: after 5 s when settled, after 32 to 41 s during its start. That is normal.

use std::time::Duration;

use berth_role::{Bounds, Heap, Hostname, Kind, Memory, Need, Place, Readiness, Role, Start, Stop, Upstream};

/// The jobs behind everything.
pub const ROLE: Role = Role {
    name: "bree",
    serves: "scheduled jobs are run",
    kind: Kind::Worker,
    entrypoint: "bree.js",
    forwards: true,
    host: None,
    ports: &[],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("BREE_REDIS_")),
        Need::lazy(Upstream::Role("sqlite")),
    ],
    hands_to: None,
    readiness: Readiness::AliveFor(Duration::from_secs(5)),
    // Twice the 110 s that its first wave of jobs was measured to keep two cores busy.
    ready_within: Duration::from_mins(4),
    start: Start::Last,
    certificate: None,
    reads: &["API_SECRETS", "SMTP_EXCHANGE_DOMAINS", "SQLITE_STORAGE_PATH"],
    health: &[],
    // 41 s is the longest end that was measured, with its start under way.
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(45),
        grace: Duration::from_mins(1),
        normal: Stop::USUAL,
    },
    heap: Heap::ByItself,
    place: Place {
        hostname: Hostname::Reverse,
        outside: Some("resolvers over HTTPS: it checks the records of domains"),
        volumes: &[],
        memory: Memory {
            // All jobs at once, for some 100 s; 1.8 GB once settled.
            application: Bounds::mebibytes(14450, 16384),
            sample: Bounds::mebibytes(61, 128),
        },
    },
};
