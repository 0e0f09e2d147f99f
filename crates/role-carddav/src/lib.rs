//! carddav keeps address books in step between a person's devices.
//!
//! Needs: the document store (accounts), the key-value store, and sqlite, which holds them with the mailbox.
//!
//! Odd about it:
//! - `/` answers 200 even when every DAV request fails (seen with a wrong release of a library), so it is asked
//!   a PROPFIND without credentials, which must be refused with 401.
//! - Behind the HTTP front: its own number is not the one that the world sees.
//! - Older releases of the application have no `carddav.js`.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Address books.
pub const ROLE: Role = Role {
    name: "carddav",
    serves: "devices keep address books in step (RFC 6352)",
    kind: Kind::Web,
    entrypoint: "carddav.js",
    forwards: false,
    host: Some("CARDDAV_HOST"),
    ports: &[Port {
        name: "carddavs",
        number: 6000,
        published: 443,
        setting: "CARDDAV_PORT",
        exposure: Exposure::Fronted,
        tls: Tls::WhenHttps("CARDDAV_PROTOCOL"),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("CARDDAV_REDIS_")),
        Need::hard(Upstream::Role("sqlite")),
    ],
    hands_to: None,
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "CARDDAV_SSL_CERT_PATH",
        key: "CARDDAV_SSL_KEY_PATH",
        authority: "CARDDAV_SSL_CA_PATH",
    }),
    reads: &["API_SECRETS", "TRUST_PROXY"],
    health: &[Check::DavUnauthorized],
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::share(60),
    place: Place {
        hostname: Hostname::Own,
        outside: Some("the code host's API, without which it ends; resolvers over HTTPS"),
        volumes: &[],
        memory: Memory {
            // Not measured, as the release that was has none: taken for what caldav is.
            application: Bounds::mebibytes(656, 1024),
            sample: Bounds::mebibytes(82, 256),
        },
    },
};
