//! Asks a service over its own protocol whether it is good for clients, and politely takes its leave.
//!
//! A [`Client`] puts a [`Check`] to a [`Target`]: it connects, speaks TLS as the target does, waits for the right
//! answer to each step, and says goodbye (QUIT, LOGOUT, close_notify), so that the service's log stays free of
//! broken sessions; a check that fails does so too, once it was greeted. An error says which step failed, how, after
//! how long, and what had been read. The stores behind the service are asked as well: [`Documents`], [`KeyValue`].
//!
//! Invariants:
//! - Every step has a deadline and so has the whole; a goodbye may take 2 s more. At most 8 KiB are read in a step.
//!   Nothing waits for ever, and no timer is left behind.
//! - It asks whether a service answers, not whether it can be trusted: any certificate is accepted in a handshake.
//!   [`Check::Certificate`] is the one that judges it.
//! - A service is sent no secret; a store is, to log in, and no error repeats it. A document store is proven the
//!   password, not told it.
//! - It knows no role, and brings no cryptography: the caller passes a provider, which serves SCRAM too.
//! - A target given by address is reached without a resolver.
//!
//! ```no_run
//! # async fn example(provider: std::sync::Arc<tokio_rustls::rustls::crypto::CryptoProvider>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use berth_probe::{Client, Patience, Target};
//! use berth_role::{Check, TlsMode};
//! let client = Client::new(provider);
//! let target = Target::new("127.0.0.1", 2993, TlsMode::Implicit).named("imap.example.test");
//! let answer = client.check(Check::Imap, &target, &Patience::default()).await?;
//! println!("{answer}"); // * OK ready (TLS 1.3), 12 ms
//! # Ok(()) }
//! ```

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_role::{Check, TlsMode};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::CryptoProvider;

mod bson;
mod certificate;
mod connection;
mod error;
mod http;
mod imap;
mod live;
mod lookup;
mod mongodb;
mod mongodb_uri;
mod pop3;
mod redis;
mod scram;
mod smtp;
mod trust;

pub use error::{Fault, ProbeError};
pub use mongodb_uri::{Documents, Login, UriError};
pub use redis::KeyValue;

use connection::Connection;

/// Where a service is reached, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How TLS is spoken there.
    pub tls: TlsMode,
    /// The name that is asked for in TLS and HTTP.
    pub server_name: String,
    /// The file whose certificates the service should serve, if that is known.
    pub certificate: Option<PathBuf>,
}

impl Target {
    /// A target that is asked for by the host's own name.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, tls: TlsMode) -> Self {
        let host = host.into();
        Self { server_name: host.clone(), host, port, tls, certificate: None }
    }

    /// Asks for another name than the host's.
    #[must_use]
    pub fn named(self, server_name: impl Into<String>) -> Self {
        Self { server_name: server_name.into(), ..self }
    }

    /// Compares the certificate that is served with this file's.
    #[must_use]
    pub fn with_certificate(self, path: impl Into<PathBuf>) -> Self {
        Self { certificate: Some(path.into()), ..self }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one step: connecting, a handshake, a command and the whole of its answer.
    pub step: Duration,
    /// For all steps of a check together.
    pub whole: Duration,
}

/// 5 s and 15 s: the application, with all its roles loading at once, was seen to take 0.1 s for a greeting and 2 s
/// for a page. RFC 5321 section 4.5.3.2 lets clients wait for minutes, but who asks for health wants to know sooner.
impl Default for Patience {
    fn default() -> Self {
        Self { step: Duration::from_secs(5), whole: Duration::from_secs(15) }
    }
}

/// What a service answered, and how long it took from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer in short: its greeting, its status.
    pub said: String,
    /// The time that the check took.
    pub took: Duration,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} ms", self.said, self.took.as_millis())
    }
}

/// Puts checks to targets.
#[derive(Debug, Clone)]
pub struct Client {
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A client that uses this provider's cryptography.
    ///
    /// # Panics
    ///
    /// When the provider has no cipher suite of TLS 1.2 or 1.3; ring's and aws-lc-rs's have both.
    #[must_use]
    pub fn new(provider: Arc<CryptoProvider>) -> Self {
        let trust = trust::Anything::new(&provider);
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("a provider has cipher suites")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
            .with_no_client_auth();
        // A resumed session shows the certificate of the session before; the check wants today's.
        tls.resumption = Resumption::disabled();
        Self { tls: Arc::new(tls) }
    }

    /// Puts one check.
    pub async fn check(
        &self,
        check: Check,
        target: &Target,
        patience: &Patience,
    ) -> Result<Answer, ProbeError> {
        let mut served = None;
        self.ask(check, target, patience, &mut served).await
    }

    /// Puts all checks, up to the first that fails. The certificate is taken from the conversation before, where
    /// there was one, so that one connection answers for both.
    pub async fn check_all(
        &self,
        checks: &[Check],
        target: &Target,
        patience: &Patience,
    ) -> Result<Vec<Answer>, ProbeError> {
        let mut served = None;
        let mut answers = Vec::with_capacity(checks.len());
        for check in checks {
            answers.push(self.ask(*check, target, patience, &mut served).await?);
        }
        Ok(answers)
    }

    /// Asks for a sign of life only: any byte, or a finished TLS handshake, within this time.
    pub async fn live(&self, target: &Target, within: Duration) -> Result<Answer, ProbeError> {
        let started = Instant::now();
        let patience = Patience { step: within, whole: within };
        let said = live::sign_of_life(&self.tls, target, patience).await?;
        Ok(Answer { said, took: started.elapsed() })
    }

    /// Asks a document store whether it can be written: one host of its list after the other, until one can.
    pub async fn hello(&self, store: &Documents, patience: &Patience) -> Result<Answer, ProbeError> {
        self.first_good(store, patience, None).await
    }

    /// The same, and logs in there, if the store has a login.
    pub async fn log_in(&self, store: &Documents, patience: &Patience) -> Result<Answer, ProbeError> {
        self.first_good(store, patience, store.login.as_ref()).await
    }

    /// Logs in to a key-value store, if it has a password, and asks for a sign of life.
    pub async fn ping(&self, store: &KeyValue, patience: &Patience) -> Result<Answer, ProbeError> {
        let started = Instant::now();
        let mut connection = Connection::open(&self.tls, &store.target, *patience).await?;
        let said = redis::speak(&mut connection, store).await;
        connection.close().await;
        Ok(Answer { said: said?, took: started.elapsed() })
    }

    /// The answer of the first host that gives a good one; else the error that tells most.
    async fn first_good(
        &self,
        store: &Documents,
        patience: &Patience,
        login: Option<&Login>,
    ) -> Result<Answer, ProbeError> {
        let started = Instant::now();
        let mut worst: Option<ProbeError> = None;
        for host in &store.hosts {
            let left = patience.whole.saturating_sub(started.elapsed());
            let patience = Patience { whole: left, ..*patience };
            let said = match Connection::open(&self.tls, host, patience).await {
                Ok(mut connection) => {
                    let provider = self.tls.crypto_provider();
                    let said = mongodb::speak(&mut connection, provider, store.direct, login).await;
                    connection.close().await;
                    said
                }
                Err(error) => Err(error),
            };
            match said {
                Ok(said) => return Ok(Answer { said, took: started.elapsed() }),
                // One that is not there says less than one that refuses.
                Err(error) if worst.as_ref().is_none_or(|worst| matches!(worst.fault, Fault::Connect(_))) => {
                    worst = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(worst.expect("a URI without hosts is refused"))
    }

    async fn ask(
        &self,
        check: Check,
        target: &Target,
        patience: &Patience,
        served: &mut Option<certificate::Chain>,
    ) -> Result<Answer, ProbeError> {
        let started = Instant::now();
        let said = if let (Check::Certificate, Some(chain)) = (check, served.as_ref()) {
            certificate::judge(chain, target)
                .map_err(|fault| ProbeError::new(target, "certificate", fault))?
        } else {
            let mut connection = Connection::open(&self.tls, target, *patience).await?;
            let said = speak(check, &mut connection).await;
            *served = connection.close().await;
            said?
        };
        Ok(Answer { said, took: started.elapsed() })
    }
}

async fn speak(check: Check, connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    match check {
        Check::Tcp => Ok("connected".to_owned()),
        Check::Smtp => smtp::speak(connection).await,
        Check::Imap => imap::speak(connection).await,
        Check::Pop3 => pop3::speak(connection).await,
        Check::Http { path, statuses } => http::get(connection, path, statuses).await,
        Check::DavUnauthorized => http::propfind(connection).await,
        Check::WebSocketUnauthorized => http::upgrade(connection).await,
        Check::Certificate => certificate::speak(connection).await,
    }
}
