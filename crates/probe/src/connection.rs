use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use berth_role::TlsMode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::certificate::Chain;
use crate::{Fault, Patience, ProbeError, Target};

/// The most that is read in one step. An SMTP reply line has at most 512 bytes (RFC 5321 section 4.5.3.1.5), a
/// CAPABILITY answer some hundred.
pub(crate) const LONGEST: usize = 8 * 1024;

/// The most of it that an error repeats.
const SHOWN: usize = 120;

/// How long a goodbye may take, and how much is read during it; both are good for what was on its way.
const GOODBYE: (Duration, u64) = (Duration::from_secs(1), 64 * 1024);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A conversation with a service, step by step: [`Connection::begin`] names the step and sets its deadline, what
/// follows runs under it.
pub(crate) struct Connection<'a> {
    pub(crate) target: &'a Target,
    tls: &'a Arc<ClientConfig>,
    patience: Patience,
    /// When the whole check must be over.
    end: Instant,
    step: &'static str,
    begun: Instant,
    /// What was read in this step.
    count: usize,
    shown: Vec<u8>,
    /// What was read and not yet looked at.
    unread: Vec<u8>,
    /// Absent only during a handshake and after one that failed.
    stream: Option<Box<dyn Io>>,
    secured: Option<(&'static str, Chain)>,
    /// The service was told that this is all, and hangs up when it has answered.
    pub(crate) parted: bool,
}

impl<'a> Connection<'a> {
    /// Connects, and secures the connection when TLS comes first.
    pub(crate) async fn open(
        tls: &'a Arc<ClientConfig>,
        target: &'a Target,
        patience: Patience,
    ) -> Result<Self, ProbeError> {
        let begun = Instant::now();
        let mut connection = Self {
            target,
            tls,
            patience,
            end: begun + patience.whole,
            step: "connect",
            begun,
            count: 0,
            shown: Vec::new(),
            unread: Vec::new(),
            stream: None,
            secured: None,
            parted: false,
        };
        let stream = connection.in_time(TcpStream::connect((target.host.as_str(), target.port))).await?;
        connection.stream = Some(Box::new(stream.map_err(|error| connection.fail(Fault::Connect(error)))?));
        if target.tls == TlsMode::Implicit {
            connection.secure().await?;
        }
        Ok(connection)
    }

    /// Begins a step.
    pub(crate) fn begin(&mut self, step: &'static str) {
        self.step = step;
        self.begun = Instant::now();
        self.count = 0;
        self.shown.clear();
    }

    /// Begins a step by sending a command.
    pub(crate) async fn say(&mut self, step: &'static str, command: &str) -> Result<(), ProbeError> {
        self.begin(step);
        let Some(mut stream) = self.stream.take() else { return Err(self.fail(Fault::Closed)) };
        let sent = async {
            stream.write_all(command.as_bytes()).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await
        };
        self.in_time(sent).await?.map_err(|error| self.fail(Fault::Broke(error)))?;
        self.stream = Some(stream);
        Ok(())
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Result<String, ProbeError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            self.read().await?;
        }
    }

    /// The next byte, which stays unread.
    pub(crate) async fn peek(&mut self) -> Result<u8, ProbeError> {
        while self.unread.is_empty() {
            self.read().await?;
        }
        Ok(self.unread[0])
    }

    async fn read(&mut self) -> Result<(), ProbeError> {
        if self.count >= LONGEST {
            return Err(self.fail(Fault::Endless));
        }
        let Some(mut stream) = self.stream.take() else { return Err(self.fail(Fault::Closed)) };
        let mut bytes = [0; 1024];
        let count = self.in_time(stream.read(&mut bytes)).await?;
        self.stream = Some(stream);
        match count {
            Ok(0) => Err(self.fail(Fault::Closed)),
            // Node's TLS servers hang up without close_notify; for a reader both are an end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.fail(Fault::Closed)),
            Err(error) => Err(self.fail(Fault::Broke(error))),
            Ok(count) => {
                self.count += count;
                self.unread.extend_from_slice(&bytes[..count]);
                self.shown.extend_from_slice(&bytes[..count.min(SHOWN - self.shown.len())]);
                Ok(())
            }
        }
    }

    /// Speaks TLS from here on, and keeps the certificates that were served.
    pub(crate) async fn secure(&mut self) -> Result<(), ProbeError> {
        self.begin("TLS handshake");
        if !self.unread.is_empty() {
            return Err(self.fail(Fault::Injected));
        }
        let name = ServerName::try_from(self.target.server_name.clone())
            .map_err(|_| self.fail(Fault::ServerName(self.target.server_name.clone())))?;
        let Some(stream) = self.stream.take() else { return Err(self.fail(Fault::Closed)) };
        let stream =
            match self.in_time(TlsConnector::from(Arc::clone(self.tls)).connect(name, stream)).await? {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.fail(Fault::NotTls(error)));
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(self.fail(Fault::Closed));
                }
                Err(error) => return Err(self.fail(Fault::Broke(error))),
            };
        let session = stream.get_ref().1;
        let version = session.protocol_version().and_then(|version| version.as_str());
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        self.secured = Some((version.unwrap_or("TLS"), chain));
        self.stream = Some(Box::new(stream));
        Ok(())
    }

    /// The version of TLS that is spoken, once it is.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.secured.as_ref().map(|(version, _)| *version)
    }

    /// The certificates that were served, once TLS is spoken.
    pub(crate) fn chain(&self) -> Option<&Chain> {
        self.secured.as_ref().map(|(_, chain)| chain)
    }

    /// What the service said, and which TLS is spoken.
    pub(crate) fn summary(&self, said: &str) -> String {
        let said = printable(said.as_bytes());
        self.version().map_or_else(|| said.clone(), |version| format!("{said} ({version})"))
    }

    /// Ends the conversation without breaking it. A service that was told goodbye hangs up itself; else we do, and
    /// take what is still on its way, because closing with bytes unread resets the connection (RFC 1122 section
    /// 4.2.2.13), which services log as an error.
    pub(crate) async fn close(mut self) -> Option<Chain> {
        if let Some(stream) = self.stream.as_mut() {
            let goodbye = async {
                if self.parted {
                    copy(&mut stream.take(GOODBYE.1), &mut sink()).await?;
                }
                stream.shutdown().await?;
                copy(&mut stream.take(GOODBYE.1), &mut sink()).await
            };
            // It is over either way; the answer has been given.
            let _ = timeout_at(self.end.min(Instant::now() + GOODBYE.0), goodbye).await;
        }
        self.secured.map(|(_, chain)| chain)
    }

    /// Runs until the step's deadline or the check's, whichever comes first.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, ProbeError> {
        let deadline = self.end.min(self.begun + self.patience.step);
        timeout_at(deadline, work).await.map_err(|_| self.fail(Fault::Deadline))
    }

    /// The error that the present step ends in.
    pub(crate) fn fail(&self, fault: Fault) -> ProbeError {
        let error = ProbeError::new(self.target, self.step, fault);
        ProbeError { after: self.begun.elapsed(), read: printable(&self.shown), ..error }
    }
}

fn printable(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    bytes.trim_ascii_end().iter().take(SHOWN).map(shown).collect()
}
