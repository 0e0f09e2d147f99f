//! What is proved: a service's doors, whom to trust there, and a mailbox to go through them with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// The longest that a step may take. A queue at rest delivers within a second, a loaded host within ten.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long a server may take to answer a goodbye; nothing depends on the answer.
pub(crate) const TAKE_LEAVE: Duration = Duration::from_secs(2);

/// A mail service, as its clients and other mail servers reach it.
#[derive(Debug, Clone)]
pub struct Service {
    /// The mail domain, as in `somebody@domain`.
    pub domain: String,
    /// Where it is reached.
    pub doors: Doors,
    /// Whether what is submitted is carried to the mailboxes. Else none is: it would come when nobody is there to
    /// remove it.
    pub delivers: bool,
    /// The certification authorities that its certificates must come from.
    pub roots: Roots,
    /// The key that its mail is signed with; without it the signature is not verified.
    pub dkim: Option<DkimRecord>,
    /// The longest that a step may take: [`DEADLINE`] where nothing is known of the service.
    pub deadline: Duration,
}

/// The doors of a service. What needs one that is not there is not offered, which is no failure.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// Where mail clients submit (RFC 6409).
    pub submission: Option<Endpoint>,
    /// Where other mail servers deliver (RFC 5321); [`Tls::StartTls`], there is no other for them.
    pub mx: Option<Endpoint>,
    /// Where mail clients read (RFC 9051).
    pub imap: Option<Endpoint>,
    /// Where mail clients fetch (RFC 1939).
    pub pop3: Option<Endpoint>,
    /// Where programs ask.
    pub api: Option<Endpoint>,
    /// Where people read their mail in a browser.
    pub web: Option<Endpoint>,
    /// Where devices keep calendars in step (RFC 4791).
    pub caldav: Option<Endpoint>,
    /// Where devices keep contacts in step (RFC 6352).
    pub carddav: Option<Endpoint>,
}

/// One door of a service.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name or address to connect to.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS begins there.
    pub tls: Tls,
    /// The name that the certificate must be for.
    pub server_name: String,
}

impl fmt::Display for Endpoint {
    /// As in a URL: an IPv6 address is in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// How TLS begins on a connection. Without TLS nothing is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// With the first byte (RFC 8314).
    Implicit,
    /// After a command in plain text (RFC 3207, RFC 9051 section 6.2.1).
    StartTls,
}

/// The certification authorities that are trusted, and nobody else: not those of the host either.
#[derive(Clone)]
pub struct Roots(Arc<ClientConfig>);

/// The certificates that should be trusted cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The text is not PEM.
    #[error("cannot read the certificates of the trusted authorities")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// It is PEM and has no certificate in it.
    #[error("there is no certificate among the trusted authorities")]
    Empty,
    /// A certificate is not one, or not one that can be trusted.
    #[error("cannot trust a certificate of the trusted authorities")]
    Certificate(#[from] rustls::Error),
}

impl Roots {
    /// Reads the certificates of the authorities (RFC 7468).
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate?)?;
        }
        if roots.is_empty() {
            return Err(RootsError::Empty);
        }
        // Named, because a build of the whole workspace also has ring in it, and rustls then has no default.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots")
    }
}

/// The public half of a signing key, as it is published in DNS (RFC 6376 section 3.6.1).
#[derive(Debug, Clone)]
pub struct DkimRecord {
    /// The `default` of `default._domainkey.example.test`.
    pub selector: String,
    /// The text of the TXT record: `v=DKIM1; k=rsa; p=…`.
    pub txt: String,
}

/// A mailbox of the service that mails can be sent from and to.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// `somebody@domain`, which is also the name to sign in with.
    pub address: String,
    /// The password to sign in with.
    pub password: Password,
}

/// A password. It is shown to servers only.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Password {
    fn from(password: T) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
