//! caldav keeps calendars in step between a person's devices.
//!
//! Needs: the document store (accounts), the key-value store, and sqlite, which holds them with the mailbox.
//!
//! Odd about it:
//! - `/` answers 200 even when every DAV request fails (seen with a wrong release of a library), so it is asked
//!   a PROPFIND without credentials, which must be refused with 401.
//! - Behind the HTTP front: its own number is not the one that the world sees.
//! - Without outside connections the application ends with 1 shortly after it has said ready.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Calendars.
pub const ROLE: Role = Role {
    name: "caldav",
    serves: "devices keep calendars in step (RFC 4791)",
    kind: Kind::Web,
    entrypoint: "caldav.js",
    forwards: false,
    host: Some("CALDAV_HOST"),
    ports: &[Port {
        name: "caldavs",
        number: 5000,
        published: 443,
        setting: "CALDAV_PORT",
        exposure: Exposure::Fronted,
        tls: Tls::WhenHttps("CALDAV_PROTOCOL"),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("CALDAV_REDIS_")),
        Need::hard(Upstream::Role("sqlite")),
    ],
    hands_to: None,
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "CALDAV_SSL_CERT_PATH",
        key: "CALDAV_SSL_KEY_PATH",
        authority: "CALDAV_SSL_CA_PATH",
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
        memory: Memory { application: Bounds::mebibytes(656, 1024), sample: Bounds::mebibytes(82, 256) },
    },
};
