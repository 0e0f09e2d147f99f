//! Mails out, over IMAP (RFC 9051): one connection waits in IDLE, another one looks and fetches.

use std::time::{Duration, Instant};

use async_imap::extensions::idle;
use async_imap::imap_proto::{MailboxDatum, Response, Status};
use async_imap::types::NameAttribute;
use async_imap::{Client, Session};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};

use crate::connect::{Stream, dial, encrypt};
use crate::failure::{Cause, Doing, Failure};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service, TAKE_LEAVE, Tls};

/// How often a mail is looked for that nobody tells about.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A signed-in connection that looks for mails, fetches them and removes them.
pub(crate) struct Reader {
    session: Session<Stream>,
    /// Mails with a smaller UID were in INBOX before.
    first: u32,
}

/// A signed-in connection that is told of new mails in INBOX (RFC 2177).
pub(crate) struct Watcher {
    idle: idle::Handle<Stream>,
}

impl Reader {
    /// Signs in and opens INBOX, to look for mails that come from now on.
    pub async fn sign_in(service: &Service, at: &Endpoint, mailbox: &Mailbox) -> Result<Self, Failure> {
        let mut session = sign_in(service, at, mailbox).await?;
        let inbox = session.select("INBOX").await.doing("open INBOX")?;
        Ok(Self { session, first: inbox.uid_next.unwrap_or(1) })
    }

    /// Looks for mails that had come before, too.
    pub fn and_earlier(self) -> Self {
        Self { first: 1, ..self }
    }

    /// Turns this connection into one that waits.
    pub async fn watch(mut self) -> Result<Watcher, Failure> {
        let capabilities = self.session.capabilities().await.doing("ask for the capabilities of IMAP")?;
        if !capabilities.has_str("IDLE") {
            return Err(Failure::new("wait for new mails over IMAP", Cause::Missing("IDLE")));
        }
        let mut idle = self.session.idle();
        idle.init().await.doing("wait for new mails over IMAP")?;
        Ok(Watcher { idle })
    }

    /// The UID of a mail, when it is in INBOX.
    async fn find(&mut self, token: &str) -> Result<Option<u32>, Failure> {
        let what = "look for the mail in INBOX";
        // A session need not see what came after its last answer (RFC 9051 section 6.1.2).
        self.session.noop().await.doing(what)?;
        let query = format!("UID {}:* SUBJECT \"{token}\"", self.first);
        let found = self.session.uid_search(query).await.doing(what)?;
        Ok(found.into_iter().next())
    }

    /// Waits until a mail is in INBOX or time is up, and says under which UID it is. It looks once at least.
    pub async fn arrival(&mut self, mail: &Mail, until: Instant) -> Result<Option<u32>, Failure> {
        loop {
            let found = self.find(&mail.token).await?;
            if found.is_some() || Instant::now() >= until {
                return Ok(found);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until a mail is in INBOX, and fetches it as it is stored.
    pub async fn fetch(&mut self, mail: &Mail, until: Instant) -> Result<Vec<u8>, Failure> {
        let what = "fetch the mail from INBOX";
        let uid = self.arrival(mail, until).await?;
        let uid = uid.ok_or_else(|| Failure::new(what, Cause::Found("it is not there".into())))?;
        // PEEK, because nobody has read it.
        let fetched = self.session.uid_fetch(uid.to_string(), "(UID BODY.PEEK[])").await.doing(what)?;
        let fetched: Vec<_> = fetched.try_collect().await.doing(what)?;
        let bodies = fetched.iter().filter(|fetch| fetch.uid == Some(uid)).filter_map(|fetch| fetch.body());
        let body = bodies.map(<[u8]>::to_vec).next();
        body.ok_or_else(|| Failure::new(what, Cause::Found(format!("mail {uid} came without its text"))))
    }

    /// Removes all mails with `token` in their subject from all folders, copies of sent ones too.
    pub async fn remove(&mut self, token: &str) -> Result<(), Failure> {
        let capabilities = self.session.capabilities().await.doing("ask for the capabilities of IMAP")?;
        if !capabilities.has_str("UIDPLUS") {
            // EXPUNGE alone also takes what somebody else has only marked (RFC 4315 section 1).
            return Err(Failure::new("remove the mails", Cause::Missing("UIDPLUS")));
        }
        let folders = self.session.list(Some(""), Some("*")).await.doing("list the folders")?;
        let folders: Vec<_> = folders.try_collect().await.doing("list the folders")?;
        let mut result = Ok(());
        for folder in folders {
            if !folder.attributes().contains(&NameAttribute::NoSelect) {
                // One folder that cannot be opened must not keep the mails in the others.
                result = result.and(self.remove_from(folder.name(), token).await);
            }
        }
        result
    }

    async fn remove_from(&mut self, folder: &str, token: &str) -> Result<(), Failure> {
        let what = format!("remove the mails from {folder}");
        self.session.select(folder).await.doing(&what)?;
        let query = format!("SUBJECT \"{token}\"");
        let found = self.session.uid_search(&query).await.doing(&what)?;
        if found.is_empty() {
            return Ok(());
        }
        let set = found.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let marked = self.session.uid_store(&set, "+FLAGS.SILENT (\\Deleted)").await.doing(&what)?;
        marked.try_for_each(async |_| Ok(())).await.doing(&what)?;
        let expunged = self.session.uid_expunge(&set).await.doing(&what)?;
        expunged.try_for_each(async |_| Ok(())).await.doing(&what)?;
        match self.session.uid_search(query).await.doing(&what)?.len() {
            0 => Ok(()),
            left => {
                Err(Failure::new(what, Cause::Found(format!("{left} of {} are still there", found.len()))))
            }
        }
    }

    /// Takes leave. All that matters has been answered.
    pub async fn sign_out(mut self) {
        let _ = timeout(TAKE_LEAVE, self.session.logout()).await;
    }
}

impl Watcher {
    /// Waits until `mail` is told of, and says when that was. Others may come meanwhile, so that `reader` looks.
    pub async fn notice(&mut self, mail: &Mail, reader: &mut Reader) -> Result<Instant, Failure> {
        loop {
            let told = self.exists().await.doing("wait for new mails over IMAP")?;
            if reader.find(&mail.token).await?.is_some() {
                return Ok(told);
            }
        }
    }

    /// Waits until it is told that INBOX has got a mail.
    async fn exists(&mut self) -> Result<Instant, Cause> {
        loop {
            let response = self.idle.next().await.ok_or(Cause::Closed)??;
            match response.parsed() {
                Response::MailboxData(MailboxDatum::Exists(_)) => return Ok(Instant::now()),
                Response::Data { status: Status::Bye, outcome } => {
                    let why = outcome.information.as_deref().unwrap_or_default();
                    return Err(Cause::Refused(format!("BYE {why}")));
                }
                _ => {}
            }
        }
    }

    /// Takes leave. All that matters has been told.
    pub async fn sign_out(self) {
        let leave = async { self.idle.done().await?.logout().await };
        let _ = timeout(TAKE_LEAVE, leave).await;
    }
}

/// Connects, reads the greeting and takes leave.
pub(crate) async fn greet(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    let mut client = greeted(service, at).await?;
    let _ = timeout(TAKE_LEAVE, client.run_command_and_check_ok("LOGOUT", None)).await;
    Ok(())
}

async fn sign_in(service: &Service, at: &Endpoint, mailbox: &Mailbox) -> Result<Session<Stream>, Failure> {
    let client = greeted(service, at).await?;
    client.login(&mailbox.address, mailbox.password.reveal()).await.map_err(|(error, _)| {
        let what = format!("sign in to IMAP at {at} as {}", mailbox.address);
        Failure::new(what, Cause::from(error).of_sign_in())
    })
}

async fn greeted(service: &Service, at: &Endpoint) -> Result<Client<Stream>, Failure> {
    connect(service, at).await.doing(format!("connect to IMAP at {at}"))
}

async fn connect(service: &Service, at: &Endpoint) -> Result<Client<Stream>, Cause> {
    let tcp = dial(at).await?;
    let tcp = match at.tls {
        Tls::Implicit => tcp,
        Tls::StartTls => {
            let mut plain = Client::new(tcp);
            greeting(&mut plain).await?;
            plain.run_command_and_check_ok("STARTTLS", None).await?;
            plain.into_inner()
        }
    };
    let mut client = Client::new(encrypt(service, at, tcp).await?);
    // There is one greeting, before STARTTLS or after TLS.
    if at.tls == Tls::Implicit {
        greeting(&mut client).await?;
    }
    Ok(client)
}

async fn greeting<T>(client: &mut Client<T>) -> Result<(), Cause>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + std::fmt::Debug + Send,
{
    let greeting = client.read_response().await?.ok_or(Cause::Closed)?;
    match greeting.parsed() {
        Response::Data { status: Status::Ok, .. } => Ok(()),
        other => Err(Cause::Refused(format!("{other:?}"))),
    }
}
