//! Mails out, over POP3 (RFC 1939).
//!
//! The protocol is so small that it is spoken here: USER, PASS, STAT, TOP, RETR, and STLS (RFC 2595).

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::{Stream, dial, encrypt};
use crate::failure::{Cause, Doing, Failure};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service, TAKE_LEAVE, Tls};

/// So many of the newest mails are looked at: others may come between ours and the look.
const LOOK_BACK: u32 = 50;

/// No answer is longer: what was sent is some kilobytes, and another mail's head is little more.
const LONGEST: u64 = 4 << 20;

/// A connection that mails are fetched over.
pub(crate) struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    /// Connects and reads the greeting; TLS begins before anything is told.
    pub async fn connect(service: &Service, at: &Endpoint) -> Result<Self, Failure> {
        Self::open(service, at).await.doing(format!("connect to POP3 at {at}"))
    }

    async fn open(service: &Service, at: &Endpoint) -> Result<Self, Cause> {
        let mut tcp = dial(at).await?;
        if at.tls == Tls::StartTls {
            tcp = start_tls(tcp).await?;
        }
        let mut client = Self { stream: BufReader::new(encrypt(service, at, tcp).await?) };
        // There is one greeting, before STLS or after TLS.
        if at.tls == Tls::Implicit {
            ok(&line(&mut client.stream).await?)?;
        }
        Ok(client)
    }

    pub async fn sign_in(&mut self, mailbox: &Mailbox) -> Result<(), Failure> {
        let what = format!("sign in to POP3 as {}", mailbox.address);
        self.command(&format!("USER {}", mailbox.address)).await.doing(&what)?;
        let entered = self.command(&format!("PASS {}", mailbox.password.reveal())).await;
        entered.map(drop).map_err(Cause::of_sign_in).doing(what)
    }

    /// Fetches a mail that has arrived: the newest one with its token in the head.
    pub async fn fetch(&mut self, mail: &Mail) -> Result<Vec<u8>, Failure> {
        let what = "find the mail over POP3";
        let status = self.command("STAT").await.doing(what)?;
        let count = status.split(' ').next().and_then(|count| count.parse::<u32>().ok());
        let count =
            count.ok_or_else(|| Cause::Found(format!("STAT was answered with {status:?}"))).doing(what)?;
        for number in (1..=count).rev().take(LOOK_BACK as usize) {
            let head = self.long(&format!("TOP {number} 0")).await.doing(what)?;
            if String::from_utf8_lossy(&head).contains(&mail.token) {
                return self.long(&format!("RETR {number}")).await.doing("fetch the mail over POP3");
            }
        }
        Err(Failure::new(what, Cause::Found(format!("it is not among the newest of {count} mails there"))))
    }

    /// Takes leave. Nothing was marked to be removed.
    pub async fn quit(mut self) {
        let _ = timeout(TAKE_LEAVE, self.command("QUIT")).await;
    }

    /// Sends a command, and gives what follows `+OK`.
    async fn command(&mut self, command: &str) -> Result<String, Cause> {
        self.stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        ok(&line(&mut self.stream).await?)
    }

    /// A command that is answered in several lines; a dot in front of a line is one too many, and alone it is the
    /// end (RFC 1939 section 3).
    async fn long(&mut self, command: &str) -> Result<Vec<u8>, Cause> {
        self.command(command).await?;
        let mut text = Vec::new();
        let mut stream = (&mut self.stream).take(LONGEST);
        loop {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Err(Cause::Closed);
            }
            if line == b".\r\n" {
                return Ok(text);
            }
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// Reads the greeting in plain text and asks for TLS. What came before TLS is not kept: whoever sent it is not known.
async fn start_tls(tcp: TcpStream) -> Result<TcpStream, Cause> {
    let mut plain = BufReader::new(tcp);
    ok(&line(&mut plain).await?)?;
    plain.write_all(b"STLS\r\n").await?;
    match ok(&line(&mut plain).await?) {
        Err(Cause::Refused(_)) => Err(Cause::Missing("STLS")),
        done => done.map(|_| plain.into_inner()),
    }
}

async fn line<S>(stream: &mut BufReader<S>) -> Result<String, Cause>
where
    S: tokio::io::AsyncRead + Unpin,
{
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(Cause::Closed);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// What follows `+OK`; everything else is a refusal.
fn ok(reply: &str) -> Result<String, Cause> {
    match reply.strip_prefix("+OK") {
        Some(rest) => Ok(rest.trim().to_owned()),
        None => Err(Cause::Refused(reply.to_owned())),
    }
}
