//! pop3 lets simple mail clients, and other services that collect mail, fetch a mailbox.
//!
//! Needs: the document store (accounts), the key-value store, and sqlite, which holds the mailboxes.
//!
//! Odd about it:
//! - TLS goes by the port's number: from the first byte on 995 and 2995, STLS on any other. A plaintext client
//!   on a TLS port gets no answer at all.
//! - Its port in use: it neither ends nor says ready, but idles. Only the deadline for readiness notices.
//! - Without the key-value store at its start it ends with 1 about two seconds after it has said ready.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Mailboxes for clients that fetch.
pub const ROLE: Role = Role {
    name: "pop3",
    serves: "mail clients fetch their mailboxes (RFC 1939)",
    kind: Kind::Mail,
    entrypoint: "pop3.js",
    forwards: false,
    host: Some("POP3_HOST"),
    ports: &[Port {
        name: "pop3s",
        number: 2995,
        published: 995,
        setting: "POP3_PORT",
        exposure: Exposure::Public,
        tls: Tls::ImplicitOn(&[995, 2995]),
    }],
    needs: &[
        Need::hard(Upstream::Documents("MONGO_URI")),
        Need::hard(Upstream::KeyValue("POP3_REDIS_")),
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
    reads: &["API_SECRETS", "SQLITE_STORAGE_PATH"],
    health: &[Check::Pop3, Check::Certificate],
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
            application: Bounds::mebibytes(557, 1024),
            // 181 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(80, 384),
        },
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use berth_role::TlsMode;

    #[test]
    fn tls_is_implicit_on_its_own_numbers_and_stls_elsewhere() {
        let tls = |number: &str| {
            let setting = |key: &str| (key == "POP3_PORT").then(|| number.to_owned());
            ROLE.ports[0].resolve(&setting).unwrap().tls
        };
        assert_eq!([tls("995"), tls("2995"), tls("")], [TlsMode::Implicit; 3]);
        assert_eq!([tls("110"), tls("1110")], [TlsMode::StartTls; 2]);
    }
}
