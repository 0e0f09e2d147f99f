//! web is where people register, manage their domains and mailboxes, and read their mail in a browser.
//!
//! Needs: the document store and the key-value store; the mail it sends itself goes through smtp, which it can
//! be without for a while.
//!
//! Odd about it:
//! - `/` is answered without any database: by the application with a redirect to the page in the visitor's
//!   language. So it says that web serves; what web needs is asked on its own.
//! - Behind the HTTP front: its own number is not the one that the world sees.
//! - Without outside connections the application ends with 1 shortly after it has said ready.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Pages for people.
pub const ROLE: Role = Role {
    name: "web",
    serves: "people manage domains and mailboxes in a browser (RFC 9110)",
    kind: Kind::Web,
    entrypoint: "web.js",
    forwards: true,
    host: Some("WEB_HOST"),
    ports: &[Port {
        name: "https",
        number: 3000,
        published: 443,
        setting: "WEB_PORT",
        exposure: Exposure::Fronted,
        tls: Tls::WhenHttps("WEB_PROTOCOL"),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("WEB_REDIS_")),
        Need::lazy(Upstream::Role("smtp")),
    ],
    hands_to: None,
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "WEB_SSL_CERT_PATH",
        key: "WEB_SSL_KEY_PATH",
        authority: "WEB_SSL_CA_PATH",
    }),
    reads: &[
        "AUTH_BASIC_ENABLED",
        "AUTH_BASIC_USERNAME",
        "AUTH_BASIC_PASSWORD",
        "TXT_ENCRYPTION_KEY",
        "SMTP_EXCHANGE_DOMAINS",
        "TRUST_PROXY",
        "API_SECRETS",
    ],
    health: &[Check::Http { path: "/", statuses: &[200, 301, 302, 303, 307, 308] }],
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
            application: Bounds::mebibytes(675, 1536),
            // 726 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(87, 1024),
        },
    },
};
