//! sqlite-bree does the hourly housekeeping of the mailboxes: old backups, sizes, what has expired.
//!
//! Needs: the document store and the key-value store. sqlite lazily: the sample application only asks sqlite for
//! the work, Forward Email's does it in the folder of the mailboxes itself, so that both must see one volume.
//!
//! Odd about it:
//! - It never says ready, and has no port: it counts as ready once its needs have answered and it has been alive
//!   for 5 s.
//! - Asked to stop it ends at once with 0 when idle, with 1 after some 5 s when a job runs. Both are normal.

use std::time::Duration;

use berth_role::{
    Bounds, Heap, Hostname, Kind, Memory, Need, Place, Readiness, Role, Start, Stop, Upstream, Volume,
};

/// The housekeeper of the mailboxes.
pub const ROLE: Role = Role {
    name: "sqlite-bree",
    serves: "mailboxes are cleaned up",
    kind: Kind::Worker,
    entrypoint: "sqlite-bree.js",
    forwards: false,
    host: None,
    ports: &[],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("BREE_REDIS_")),
        Need::lazy(Upstream::Role("sqlite")),
    ],
    hands_to: None,
    readiness: Readiness::AliveFor(Duration::from_secs(5)),
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: None,
    reads: &["API_SECRETS", "SQLITE_STORAGE_PATH"],
    health: &[],
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::ByItself,
    place: Place {
        hostname: Hostname::Own,
        outside: None,
        volumes: &[Volume::Mailboxes],
        memory: Memory { application: Bounds::mebibytes(602, 1024), sample: Bounds::mebibytes(62, 128) },
    },
};
