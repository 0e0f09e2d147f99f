//! imap lets mail clients read and sort their mailboxes, and tells them at once what has arrived (IDLE).
//!
//! Needs: the document store (accounts), the key-value store (notifications), and sqlite, which holds the
//! mailboxes: without it nobody can log in.
//!
//! Odd about it:
//! - TLS goes by the port's number: from the first byte on 993 and 2993, STARTTLS on any other. A plaintext
//!   client on a TLS port gets no answer at all.
//! - Its port in use: it neither ends nor says ready, but idles. Only the deadline for readiness notices.
//! - Without the key-value store at its start it ends with 1 about two seconds after it has said ready; losing
//!   it later does not end it, and logins fail until it is back.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Mailboxes for mail clients.
pub const ROLE: Role = Role {
    name: "imap",
    serves: "mail clients read their mailboxes (RFC 9051)",
    kind: Kind::Mail,
    entrypoint: "imap.js",
    forwards: false,
    host: Some("IMAP_HOST"),
    ports: &[Port {
        name: "imaps",
        number: 2993,
        published: 993,
        setting: "IMAP_PORT",
        exposure: Exposure::Public,
        tls: Tls::ImplicitOn(&[993, 2993]),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("IMAP_REDIS_")),
        Need::hard(Upstream::Role("sqlite")),
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
    reads: &["API_SECRETS", "SMTP_MESSAGE_MAX_SIZE", "SQLITE_STORAGE_PATH"],
    health: &[Check::Imap, Check::Certificate],
    stop: Stop {
        quiet: None,
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::share(60),
    place: Place {
        hostname: Hostname::Own,
        outside: Some("resolvers over HTTPS: a login looks up the domain's records"),
        volumes: &[],
        memory: Memory {
            application: Bounds::mebibytes(534, 1280),
            // 428 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(90, 640),
        },
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use berth_role::TlsMode;

    #[test]
    fn tls_is_implicit_on_its_own_numbers_and_starttls_elsewhere() {
        let tls = |number: &str| {
            let setting = |key: &str| (key == "IMAP_PORT").then(|| number.to_owned());
            ROLE.ports[0].resolve(&setting).unwrap().tls
        };
        assert_eq!([tls("993"), tls("2993"), tls("")], [TlsMode::Implicit; 3]);
        assert_eq!([tls("143"), tls("1143")], [TlsMode::StartTls; 2]);
    }
}
