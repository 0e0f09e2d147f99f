//! A service that follows a script, for one connection.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use berth_probe::{Answer, Client, Patience, ProbeError, Target};
use berth_role::{Check, TlsMode};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the service does next.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Sends these lines, each with its end.
    Say(&'static str),
    /// The same, byte by byte.
    Drip(&'static str),
    /// Takes lines until one begins so; any other is an error.
    Hear(&'static str),
    /// Takes lines until an empty one; the first begins so, and they contain that.
    Head(&'static str, &'static str),
    /// Speaks TLS from here on.
    Secure,
    /// Sends this for ever, until nobody listens.
    Flood(&'static str),
    /// The same, with a pause before each.
    Trickle(&'static str),
    /// Fails when the client hangs up meanwhile.
    Linger,
    /// Waits until the client hangs up.
    Wait,
}
pub use Act::{Drip, Flood, Head, Hear, Linger, Say, Secure, Trickle, Wait};

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A service for one connection, and what came of it.
pub struct Service {
    address: SocketAddr,
    played: JoinHandle<Result<(), Box<dyn Error + Send + Sync>>>,
}

impl Service {
    /// Serves the script with a certificate of its own.
    pub async fn start(script: &'static [Act]) -> Self {
        Self::start_with(script, &Issued::on((2020, 2090))).await
    }

    /// Serves the script with this certificate.
    pub async fn start_with(script: &'static [Act], issued: &Issued) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = issued.acceptor();
        let played = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            drop(listener);
            play(Box::new(stream), script, acceptor).await
        });
        Self { address, played }
    }

    pub fn target(&self, tls: TlsMode) -> Target {
        Target::new(self.address.ip().to_string(), self.address.port(), tls).named("mail.example.test")
    }

    pub async fn check(&self, check: Check, tls: TlsMode) -> Result<Answer, ProbeError> {
        client().check(check, &self.target(tls), &PATIENT).await
    }

    /// The script was played to its end, and the client left without breaking the connection.
    pub async fn left_in_peace(self) {
        self.played.await.unwrap().unwrap();
    }
}

/// Longer than any test runs.
pub const PATIENT: Patience = Patience { step: Duration::from_secs(20), whole: Duration::from_secs(20) };

/// For tests of a deadline that does come.
pub const HASTY: Patience = Patience { step: Duration::from_millis(500), whole: Duration::from_secs(20) };

/// A port on which nobody listens: it is bound as long as the socket lives, so that nobody else gets it.
pub fn nobody() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

pub fn client() -> Client {
    Client::new(Arc::new(rustls::crypto::ring::default_provider()))
}

async fn play(
    mut stream: Box<dyn Io>,
    script: &[Act],
    acceptor: TlsAcceptor,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    for act in script {
        match act {
            Say(lines) => stream.write_all(lines.replace('\n', "\r\n").as_bytes()).await?,
            Drip(lines) => {
                for byte in lines.replace('\n', "\r\n").bytes() {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                }
            }
            Hear(start) => {
                let line = line(&mut stream).await?;
                if !line.starts_with(start) {
                    return Err(format!("expected {start:?}, heard {line:?}").into());
                }
            }
            Head(start, part) => {
                let mut head = String::new();
                while !head.ends_with("\n\n") {
                    head = head + &line(&mut stream).await? + "\n";
                }
                if !head.starts_with(start) || !head.contains(part) {
                    return Err(format!("expected {start:?} and {part:?}, heard {head:?}").into());
                }
            }
            Secure => stream = Box::new(acceptor.accept(stream).await?),
            Flood(text) => while stream.write_all(text.as_bytes()).await.is_ok() {},
            Trickle(text) => {
                while stream.write_all(text.as_bytes()).await.is_ok() {
                    tokio::time::sleep(HASTY.step / 10).await;
                }
            }
            Linger => {
                let heard = tokio::time::timeout(HASTY.step / 5, stream.read_u8()).await;
                if let Ok(heard) = heard {
                    return Err(format!("the client did not linger: {heard:?}").into());
                }
            }
            Wait => {
                let mut left = Vec::new();
                stream.read_to_end(&mut left).await?;
            }
        }
        stream.flush().await?;
    }
    // A well-behaved service hangs up first, and then sees the client do so too.
    stream.shutdown().await?;
    let mut left = Vec::new();
    match stream.read_to_end(&mut left).await {
        // After both sides have closed TLS.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) if left.is_empty() => Ok(()),
        Ok(_) => Err(format!("heard {:?} at the end", String::from_utf8_lossy(&left)).into()),
    }
}

async fn line(stream: &mut Box<dyn Io>) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
}

/// A certificate, its issuer's, and its key.
pub struct Issued {
    pub chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Issued {
    /// From the first day of one year to the first day of another.
    pub fn on((from, to): (i32, i32)) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuer = rcgen::Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec!["mail.example.test".to_owned()]).unwrap();
        leaf.not_before = date_time_ymd(from, 1, 1);
        leaf.not_after = date_time_ymd(to, 1, 1);
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self { chain: vec![leaf.der().clone(), root_certificate.der().clone()], key }
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config =
            config.with_no_client_auth().with_single_cert(self.chain.clone(), self.key.clone_key()).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
