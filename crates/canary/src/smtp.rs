//! Mails in, over submission (RFC 6409) and as another mail server (RFC 5321); and what must not go in.

use std::time::Instant;

use mail_send::smtp::message::{Message, Parameters};
use mail_send::{SmtpClient, SmtpClientBuilder};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::failure::{Cause, Doing, Failure, spell};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service, TAKE_LEAVE, Tls};

type Client = SmtpClient<TlsStream<TcpStream>>;

/// A connection that mails can be given to.
pub(crate) struct Sender {
    client: Client,
    at: String,
}

impl Sender {
    /// Connects to submission and signs in.
    pub async fn sign_in(service: &Service, at: &Endpoint, mailbox: &Mailbox) -> Result<Self, Failure> {
        let login = (mailbox.address.as_str(), mailbox.password.reveal());
        let what = format!("sign in to submission at {at} as {}", mailbox.address);
        Self::open(builder(service, at).credentials(login), at).await.doing(what)
    }

    /// Connects as a mail server from outside does, or a client that does not sign in: no name, no password.
    pub async fn outside(service: &Service, at: &Endpoint) -> Result<Self, Failure> {
        Self::open(builder(service, at), at).await.doing(format!("connect to {at} over TLS"))
    }

    async fn open(builder: SmtpClientBuilder<&str>, at: &Endpoint) -> Result<Self, Cause> {
        let client = builder.connect().await?;
        // The library writes a mail in pieces; Nagle's algorithm would hold the last one back for 40 ms.
        client.stream.get_ref().0.set_nodelay(true)?;
        Ok(Self { client, at: at.to_string() })
    }

    /// Hands a mail over, and says when the other side had taken it.
    pub async fn send(&mut self, mail: &Mail) -> Result<Instant, Failure> {
        let what = format!("send a mail from {} to {} through {}", mail.from, mail.to, self.at);
        let message = Message::new(mail.from.as_str(), [mail.to.as_str()], mail.raw.as_slice());
        self.client.send(message).await.doing(what).map(|_| Instant::now())
    }

    /// What the other side says to a recipient. None stays: the transaction is given up.
    async fn recipient(&mut self, from: &str, to: &str) -> Result<(u16, String), Failure> {
        let what = format!("ask {} whether it takes a mail to {to}", self.at);
        self.client.mail_from(from, &Parameters::default()).await.doing(&what)?;
        let reply = self.client.cmd(format!("RCPT TO:<{to}>\r\n")).await.doing(&what)?;
        self.client.rset().await.doing(what)?;
        Ok((reply.code(), spell(reply.code(), reply.message())))
    }

    /// That it takes mail for `nobody`, who has no mailbox, is as wrong as that it takes mail for other domains.
    pub async fn refuses(&mut self, from: &str, nobody: &str, elsewhere: &str) -> Result<(), Failure> {
        // 550 and no other: senders tell their users "no such mailbox" by it (RFC 5321 section 3.3).
        let (code, reply) = self.recipient(from, nobody).await?;
        if code != 550 {
            let cause =
                format!("to {nobody}, a mailbox that does not exist, it should say 550, and said: {reply}");
            return Err(Failure::new("see a mail to an unknown recipient refused", Cause::Found(cause)));
        }
        let (code, reply) = self.recipient(from, elsewhere).await?;
        if !(500..600).contains(&code) {
            let cause = format!("to {elsewhere}, which is not of its domain, it said: {reply}");
            return Err(Failure::new("see a mail to another domain refused", Cause::Found(cause)));
        }
        Ok(())
    }

    /// Takes leave. What was sent has been answered, so that it does not matter whether this is.
    pub async fn quit(self) {
        let _ = timeout(TAKE_LEAVE, self.client.quit()).await;
    }
}

/// That a wrong password does not open the mailbox.
pub(crate) async fn refuses_wrong_password(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    wrong: &str,
) -> Result<(), Failure> {
    let login = (mailbox.address.as_str(), wrong);
    let what = "see a wrong password refused";
    match builder(service, at).credentials(login).connect().await {
        Err(mail_send::Error::AuthenticationFailed(_)) => Ok(()),
        Err(error) => Err(Failure::new(what, error)),
        Ok(_) => {
            Err(Failure::new(what, Cause::Found(format!("submission let {} in with one", mailbox.address))))
        }
    }
}

/// That no password can be sent there in plain text (RFC 4954 section 4). None is: the command alone is answered.
pub(crate) async fn refuses_plain_auth(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    let what = "see AUTH without TLS refused";
    let mut client = builder(service, at).connect_plain().await.doing(what)?;
    let reply = client.cmd("AUTH PLAIN\r\n").await.doing(what)?;
    if reply.code() < 400 {
        let cause =
            format!("{at} answered AUTH PLAIN in plain text with {}", spell(reply.code(), reply.message()));
        return Err(Failure::new(what, Cause::Found(cause)));
    }
    let _ = timeout(TAKE_LEAVE, client.quit()).await;
    Ok(())
}

fn builder<'a>(service: &Service, at: &'a Endpoint) -> SmtpClientBuilder<&'a str> {
    let name = at.server_name.as_str();
    let builder = SmtpClientBuilder::new_with_tls_connector(name, at.port, service.roots.connector());
    let mut builder = builder.implicit_tls(at.tls == Tls::Implicit).timeout(service.deadline);
    // The library connects to the name that it verifies; here they are two things.
    builder.addr = at.to_string();
    builder
}
