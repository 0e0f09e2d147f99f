//! mx takes the mail that other servers bring, for the domains and mailboxes that are kept here.
//!
//! Needs: the document store (recipients) and the key-value store (limits, DNS answers), the latter under bree's
//! settings. sqlite only lazily: mail for a mailbox waits at its sender (451) while sqlite is away.
//!
//! Odd about it:
//! - Never TLS from the first byte, whatever the port: servers use STARTTLS (RFC 3207). No AUTH.
//! - 0.1 s after TERM it has cut off whoever is connected; its clients come for a mail and leave, so TERM waits for a
//!   moment without them: a third of the grace, as the drain and its leftovers have.
//! - Its port in use: it neither ends nor says ready, but idles. Only the deadline for readiness notices.
//! - It looks up the client's name before it greets: with resolvers that do not answer the greeting is late.
//!   Without the key-value store it greets with 421.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Mail from other servers.
pub const ROLE: Role = Role {
    name: "mx",
    serves: "other mail servers deliver mail (RFC 5321)",
    kind: Kind::Mail,
    entrypoint: "mx.js",
    forwards: true,
    host: Some("MX_HOST"),
    ports: &[Port {
        name: "smtp",
        number: 2525,
        published: 25,
        setting: "MX_PORT",
        exposure: Exposure::Public,
        tls: Tls::StartTls,
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("BREE_REDIS_")),
        Need::lazy(Upstream::Role("sqlite")),
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
        "API_SECRETS",
        "SRS_SECRET",
        "TXT_ENCRYPTION_KEY",
        "WEBHOOK_SIGNATURE_KEY",
        "SMTP_MESSAGE_MAX_SIZE",
        "SMTP_EXCHANGE_DOMAINS",
        "SQLITE_STORAGE_PATH",
        "POSTBOX_DNS",
    ],
    health: &[Check::Smtp, Check::Certificate],
    stop: Stop {
        quiet: Some(Duration::from_secs(5)),
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::share(60),
    place: Place {
        hostname: Hostname::Reverse,
        outside: Some("resolvers over HTTPS; other mail servers on port 25, where it forwards; webhooks"),
        volumes: &[],
        memory: Memory {
            application: Bounds::mebibytes(543, 1536),
            // 899 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(84, 1280),
        },
    },
};
