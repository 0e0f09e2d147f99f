//! api does for programs what web does for people: domains, mailboxes, messages, over JSON.
//!
//! Needs: the document store and the key-value store; sqlite only for requests that touch a mailbox.
//!
//! Odd about it:
//! - `/v1/test` is answered with 200 without credentials and without a database.
//! - Behind the HTTP front: its own number is not the one that the world sees.
//! - Without outside connections the application ends with 1 shortly after it has said ready.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// The same for programs.
pub const ROLE: Role = Role {
    name: "api",
    serves: "programs manage domains and mailboxes (RFC 9110)",
    kind: Kind::Web,
    entrypoint: "api.js",
    forwards: true,
    host: Some("API_HOST"),
    ports: &[Port {
        name: "api",
        number: 4000,
        published: 443,
        setting: "API_PORT",
        exposure: Exposure::Fronted,
        tls: Tls::WhenHttps("API_PROTOCOL"),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("API_REDIS_")),
        Need::lazy(Upstream::Role("sqlite")),
    ],
    hands_to: None,
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "API_SSL_CERT_PATH",
        key: "API_SSL_KEY_PATH",
        authority: "API_SSL_CA_PATH",
    }),
    reads: &["API_SECRETS", "TXT_ENCRYPTION_KEY", "WEBHOOK_SIGNATURE_KEY", "TRUST_PROXY"],
    health: &[Check::Http { path: "/v1/test", statuses: &[200] }],
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::share(60),
    place: Place {
        hostname: Hostname::Own,
        outside: Some("the code host's API, without which it ends; resolvers over HTTPS; webhooks"),
        volumes: &[],
        memory: Memory {
            application: Bounds::mebibytes(647, 1536),
            // 754 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(87, 1024),
        },
    },
};
