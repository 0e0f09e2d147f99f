//! A conversation with a service, in steps that each have a deadline, and its polite end, whatever comes of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use berth_role::TlsMode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::certificate::Chain;
use crate::lookup::addresses;
use crate::{Fault, Patience, ProbeError, Target};

/// The most that is read in one step. An SMTP reply line has at most 512 bytes (RFC 5321 section 4.5.3.1.5), a
/// CAPABILITY answer some hundred.
pub(crate) const LONGEST: usize = 8 * 1024;

/// The most of it that an error repeats.
const SHOWN: usize = 120;

/// How long each half of a goodbye may take, and how much is read during it; both are good for what was on its way.
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
    /// How much was read in this step.
    count: usize,
    /// The beginning of it, for an error to repeat.
    shown: Vec<u8>,
    /// A secret was sent in this step, which an answer may repeat.
    confided: bool,
    /// What was read and not yet looked at.
    unread: Vec<u8>,
    /// Absent only during a handshake, and after one that was given up.
    stream: Option<Box<dyn Io>>,
    secured: Option<(&'static str, Chain)>,
    /// How one takes leave of this service, once it was heard to be one that wants to be told.
    goodbye: Option<&'static str>,
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
            confided: false,
            unread: Vec::new(),
            stream: None,
            secured: None,
            goodbye: None,
            parted: false,
        };
        let connecting = async {
            let addresses = addresses(&target.host, target.port).await?;
            TcpStream::connect(&addresses[..]).await
        };
        match timeout_at(connection.deadline(), connecting).await {
            Err(_) => return Err(connection.fail(Fault::Deadline)),
            Ok(Err(error)) => return Err(connection.fail(Fault::Connect(error))),
            Ok(Ok(stream)) => connection.stream = Some(Box::new(stream)),
        }
        if target.tls == TlsMode::Implicit
            && let Err(error) = connection.secure().await
        {
            connection.close().await;
            return Err(error);
        }
        Ok(connection)
    }

    /// Begins a step.
    pub(crate) fn begin(&mut self, step: &'static str) {
        self.step = step;
        self.begun = Instant::now();
        self.count = 0;
        self.shown.clear();
        self.confided = false;
    }

    /// Begins with what the service says unasked. Its first byte tells the protocol, and so the goodbye.
    pub(crate) async fn greeting(&mut self) -> Result<u8, ProbeError> {
        self.begin("greeting");
        let first = self.peek().await?;
        self.goodbye = match first {
            b'*' => Some("a0 LOGOUT\r\n"),
            b'2' | b'4' | b'5' | b'+' | b'-' => Some("QUIT\r\n"),
            _ => None,
        };
        Ok(first)
    }

    /// Begins a step by sending a command.
    pub(crate) async fn say(&mut self, step: &'static str, command: &str) -> Result<(), ProbeError> {
        self.send(step, format!("{command}\r\n").as_bytes()).await
    }

    /// Begins a step by sending a message.
    pub(crate) async fn send(&mut self, step: &'static str, message: &[u8]) -> Result<(), ProbeError> {
        self.begin(step);
        let deadline = self.deadline();
        let Some(stream) = self.stream.as_mut() else { return Err(self.fail(Fault::Closed)) };
        let sent = async {
            stream.write_all(message).await?;
            stream.flush().await
        };
        match timeout_at(deadline, sent).await {
            Err(_) => Err(self.fail(Fault::Deadline)),
            Ok(sent) => sent.map_err(|error| self.fail(Fault::Broke(error))),
        }
    }

    /// Begins a step by sending a secret. A server that echoes what it does not understand must not get it into a
    /// log by way of an error, so that of the answer only a word that looks like a code is shown.
    pub(crate) async fn confide(&mut self, step: &'static str, message: &[u8]) -> Result<(), ProbeError> {
        self.send(step, message).await?;
        self.confided = true;
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

    /// So many of the next bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, ProbeError> {
        while self.unread.len() < count {
            self.read().await?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    async fn read(&mut self) -> Result<(), ProbeError> {
        if self.count >= LONGEST {
            return Err(self.fail(Fault::Endless));
        }
        let deadline = self.deadline();
        let Some(stream) = self.stream.as_mut() else { return Err(self.fail(Fault::Closed)) };
        let mut bytes = [0; 1024];
        match timeout_at(deadline, stream.read(&mut bytes)).await {
            Err(_) => Err(self.fail(Fault::Deadline)),
            Ok(Ok(0)) => Err(self.fail(Fault::Closed)),
            // Node's TLS servers hang up without close_notify; for a reader both are an end.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.fail(Fault::Closed)),
            Ok(Err(error)) => Err(self.fail(Fault::Broke(error))),
            Ok(Ok(count)) => {
                self.count += count;
                self.unread.extend_from_slice(&bytes[..count]);
                self.shown.extend_from_slice(&bytes[..count.min(SHOWN - self.shown.len())]);
                Ok(())
            }
        }
    }

    /// Has an error of this step repeat this in place of what was read, which is for machines.
    pub(crate) fn show(&mut self, text: &str) {
        self.shown = text.bytes().take(SHOWN).collect();
    }

    /// Speaks TLS from here on, and keeps the certificates that were served.
    pub(crate) async fn secure(&mut self) -> Result<(), ProbeError> {
        self.begin("TLS handshake");
        // Whatever was agreed in plain text ends here, the goodbye too, until there is a handshake.
        let goodbye = self.goodbye.take();
        if !self.unread.is_empty() {
            return Err(self.fail(Fault::Injected));
        }
        let name = ServerName::try_from(self.target.server_name.clone())
            .map_err(|_| self.fail(Fault::ServerName(self.target.server_name.clone())))?;
        let deadline = self.deadline();
        let Some(stream) = self.stream.take() else { return Err(self.fail(Fault::Closed)) };
        let handshake = TlsConnector::from(Arc::clone(self.tls)).connect(name, stream).into_fallible();
        let stream = match timeout_at(deadline, handshake).await {
            Err(_) => return Err(self.fail(Fault::Deadline)),
            Ok(Err((error, stream))) => {
                self.stream = Some(stream);
                return Err(self.fail(match error.kind() {
                    io::ErrorKind::InvalidData => Fault::NotTls(error),
                    io::ErrorKind::UnexpectedEof => Fault::Closed,
                    _ => Fault::Broke(error),
                }));
            }
            Ok(Ok(stream)) => stream,
        };
        let session = stream.get_ref().1;
        let version = session.protocol_version().and_then(|version| version.as_str());
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        self.secured = Some((version.unwrap_or("TLS"), chain));
        self.stream = Some(Box::new(stream));
        self.goodbye = goodbye;
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

    /// Ends the conversation without breaking it, whatever came of it. A service that was told goodbye hangs up itself;
    /// else we do, and take what is still on its way, because closing with bytes unread resets the connection
    /// (RFC 1122 section 4.2.2.13), which services log as an error.
    pub(crate) async fn close(mut self) -> Option<Chain> {
        if let Some(stream) = self.stream.as_mut() {
            // It is over either way; the answer has been given.
            let _ = timeout(GOODBYE.0, async {
                if !self.parted {
                    let Some(word) = self.goodbye else { return Ok(0) };
                    stream.write_all(word.as_bytes()).await?;
                    stream.flush().await?;
                }
                copy(&mut stream.take(GOODBYE.1), &mut sink()).await
            })
            .await;
            let _ = timeout(GOODBYE.0, async {
                stream.shutdown().await?;
                copy(&mut stream.take(GOODBYE.1), &mut sink()).await
            })
            .await;
        }
        self.secured.map(|(_, chain)| chain)
    }

    /// The step's deadline or the check's, whichever comes first.
    fn deadline(&self) -> Instant {
        self.end.min(self.begun + self.patience.step)
    }

    /// The error that the present step ends in.
    pub(crate) fn fail(&self, fault: Fault) -> ProbeError {
        let error = ProbeError::new(self.target, self.step, fault);
        let shown = if self.confided { code(&self.shown) } else { &self.shown };
        ProbeError { after: self.begun.elapsed(), read: printable(shown), ..error }
    }
}

/// The code that an answer of Redis begins with, `-WRONGPASS` say, and nothing of an answer that has none.
fn code(answer: &[u8]) -> &[u8] {
    let end = answer.iter().position(u8::is_ascii_whitespace).unwrap_or(answer.len());
    match &answer[..end] {
        code @ [b'-', word @ ..] if word.iter().all(u8::is_ascii_uppercase) => code,
        _ => &[],
    }
}

fn printable(bytes: &[u8]) -> String {
    let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    bytes.trim_ascii_end().iter().take(SHOWN).map(shown).collect()
}
