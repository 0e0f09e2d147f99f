//! A connection that speaks in lines, in plain text and then over TLS.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Line {
    stream: BufReader<Box<dyn Stream>>,
    pub encrypted: bool,
}

impl Line {
    pub fn plain(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(Box::new(tcp)), encrypted: false }
    }

    /// Nothing, when the client does not like the certificate.
    pub async fn encrypt(self, acceptor: &TlsAcceptor) -> Option<Self> {
        let stream = acceptor.accept(self.stream.into_inner()).await.ok()?;
        Some(Self { stream: BufReader::new(Box::new(stream)), encrypted: true })
    }

    /// What is under it, for a protocol that does not speak in lines.
    pub fn into_inner(self) -> Box<dyn Stream> {
        self.stream.into_inner()
    }

    /// The next line without its end; nothing, when the client has gone.
    pub async fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).await.ok()?;
        (length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub async fn write(&mut self, line: &str) -> Option<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }
}
