//! smtp takes the mail that users send: submission with a password, into a durable queue that smtp-bree empties.
//! The application's own mail (invitations, alarms) goes this way too.
//!
//! Needs: the document store (the queue) and the key-value store (limits), the latter under bree's settings.
//!
//! Odd about it:
//! - TLS goes by the port's number: from the first byte on 465 and 2465 (RFC 8314), STARTTLS on any other, the
//!   application's default of 2587 included. A plaintext client on a TLS port gets no answer at all.
//! - 0.1 s after TERM it has cut off whoever is connected; its clients come for a mail and leave, so TERM waits for a
//!   moment without them: a third of the grace, as the drain and its leftovers have.
//! - Its port in use: it neither ends nor says ready, but idles. Only the deadline for readiness notices.
//! - Without the key-value store it greets with 421.

use std::time::Duration;

use berth_role::{
    Bounds, Certificate, Check, Exposure, Heap, Hostname, Kind, Memory, Need, Place, Port, Readiness, Role,
    Start, Stop, Tls, Upstream,
};

/// Submission of mail by users.
pub const ROLE: Role = Role {
    name: "smtp",
    serves: "mail clients send mail (RFC 6409)",
    kind: Kind::Mail,
    entrypoint: "smtp.js",
    forwards: true,
    host: Some("SMTP_HOST"),
    ports: &[Port {
        name: "submissions",
        number: 2587,
        published: 465,
        setting: "SMTP_PORT",
        exposure: Exposure::Public,
        tls: Tls::ImplicitOn(&[465, 2465]),
    }],
    needs: &[Need::hard(Upstream::Documents("MONGO_URI")), Need::hard(Upstream::KeyValue("BREE_REDIS_"))],
    hands_to: Some("smtp-bree"),
    readiness: Readiness::Message,
    ready_within: Duration::from_mins(2),
    start: Start::WithOthers,
    certificate: Some(Certificate {
        chain: "WEB_SSL_CERT_PATH",
        key: "WEB_SSL_KEY_PATH",
        authority: "WEB_SSL_CA_PATH",
    }),
    reads: &["SMTP_MESSAGE_MAX_SIZE", "MAX_RECIPIENTS"],
    health: &[Check::Smtp, Check::Certificate],
    stop: Stop {
        quiet: Some(Duration::from_secs(5)),
        drain: Duration::from_secs(5),
        grace: Duration::from_secs(15),
        normal: Stop::USUAL,
    },
    heap: Heap::share(60),
    place: Place {
        hostname: Hostname::Own,
        outside: Some("resolvers over HTTPS: it looks up the client's name before it greets"),
        volumes: &[],
        memory: Memory {
            application: Bounds::mebibytes(535, 1280),
            // 492 while three mails of 50 MB at once were under way.
            sample: Bounds::mebibytes(85, 768),
        },
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use berth_role::TlsMode;

    #[test]
    fn tls_is_implicit_where_rfc_8314_says_so_and_starttls_by_default() {
        let tls = |number: &str| {
            let setting = |key: &str| (key == "SMTP_PORT").then(|| number.to_owned());
            ROLE.ports[0].resolve(&setting).unwrap().tls
        };
        assert_eq!([tls("465"), tls("2465")], [TlsMode::Implicit; 2]);
        assert_eq!([tls(""), tls("587"), tls("25")], [TlsMode::StartTls; 3]);
    }
}
