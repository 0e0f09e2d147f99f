//! smtp-bree sends what is in the queue: to local mailboxes by way of mx, to the world on port 25.
//!
//! Needs: the document store (the queue) and the key-value store; mx lazily, as local mail waits in the queue.
//!
//! Odd about it:
//! - It never says ready, and has no port: it counts as ready once its needs have answered and it has been alive
//!   for 5 s.
//! - Asked to stop it ends with 1 after some 5 s, because its worker threads do not answer in time. That is normal.

use std::time::Duration;

use berth_role::{Bounds, Heap, Hostname, Kind, Memory, Need, Place, Readiness, Role, Start, Stop, Upstream};

/// The sender of the queue.
pub const ROLE: Role = Role {
    name: "smtp-bree",
    serves: "the queue of outgoing mail is sent (RFC 5321)",
    kind: Kind::Worker,
    entrypoint: "smtp-bree.js",
    forwards: true,
    host: None,
    ports: &[],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("BREE_REDIS_")),
        Need::lazy(Upstream::Role("mx")),
    ],
    hands_to: None,
    readiness: Readiness::AliveFor(Duration::from_secs(5)),
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: None,
    reads: &["SRS_SECRET", "SEND_EMAIL", "POSTBOX_MX_HOST"],
    health: &[],
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    // Two worker threads load the application too.
    heap: Heap::Share { percent: 60, threads: 3 },
    place: Place {
        hostname: Hostname::Reverse,
        outside: Some("other mail servers on port 25; resolvers over HTTPS"),
        volumes: &[],
        memory: Memory {
            application: Bounds::mebibytes(1188, 2560),
            // 899 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(84, 1280),
        },
    },
};
