//! The steps of the proof, in their order, each within its deadline.

use std::pin::pin;
use std::time::Instant;

use crate::dav::{Dav, Store};
use crate::dkim;
use crate::failure::{Cause, Doing, Failure};
use crate::imap::Reader;
use crate::inbox::Inbox;
use crate::item::Item;
use crate::message::{Mail, Run};
use crate::proof::{Extent, Proof, Step};
use crate::service::{Endpoint, Mailbox, Service, Tls};
use crate::smtp::{self, Sender};
use crate::teller::{Kind, Teller};
use crate::{api, pop3, web};

/// A sender in a domain that nobody has (RFC 6761 section 6.4), so that no mail can go back to anybody.
const OUTSIDE: &str = "canary@outside.invalid";

pub(crate) const SIGN_IN: Kind = Kind { name: "sign-in", says: "sign in over IMAP and wait for new mails" };
pub(crate) const SUBMIT: Kind = Kind { name: "submit", says: "submit a mail over TLS with AUTH" };
pub(crate) const NOTICE: Kind = Kind { name: "notice", says: "notice it through IDLE" };
const FETCH: Kind = Kind { name: "fetch", says: "fetch it as it was sent" };
const DKIM: Kind = Kind { name: "dkim", says: "verify its DKIM signature" };
const POP3: Kind = Kind { name: "pop3", says: "fetch it over POP3, equal" };
const API: Kind = Kind { name: "api", says: "see it over the API" };
const WEB: Kind = Kind { name: "web", says: "see it on the web page, signed in and out" };
const MX: Kind = Kind { name: "mx", says: "receive a mail from outside through MX" };
const CALENDAR: Kind = Kind { name: "calendar", says: "put, find and remove an event over CalDAV" };
const CONTACT: Kind = Kind { name: "contact", says: "put, find and remove a contact over CardDAV" };
pub(crate) const REFUSE: Kind =
    Kind { name: "refuse", says: "see unknown recipients and other domains refused" };
const AUTH: Kind = Kind { name: "auth", says: "see a wrong password refused" };
const AUTH_PLAIN: Kind = Kind { name: "auth", says: "see a wrong password and AUTH without TLS refused" };
pub(crate) const TIDY: Kind = Kind { name: "tidy", says: "remove everything that it made" };

const NOT_SENT: &str = "what was sent could not be removed without signing in";
const NOT_FETCHED: &str = "no mail was fetched";

/// Proves that mails go through `service`, into and out of `mailbox`, and the rest of what it offers. `told` hears of
/// each step when it is over.
///
/// It takes a second or two where all is well, and at most fifteen times [`Service::deadline`]. A failed step does not
/// end it: what can still be tried is. When `stop` is over, it takes away what it has made and ends.
pub async fn prove(
    service: &Service,
    mailbox: &Mailbox,
    stop: impl Future<Output = ()> + Send,
    told: &mut (dyn FnMut(&Step) + Send),
) -> Proof {
    let began = Instant::now();
    let mut stop = pin!(stop);
    let mut teller = Teller::new(told, service.deadline, stop.as_mut());
    match Run::new(&service.domain).doing("begin") {
        Ok(run) => {
            let mut proving = Proving { service, mailbox, run, made: Made::default() };
            Box::pin(proving.all(&mut teller)).await;
        }
        Err(failure) => teller.tell(&SIGN_IN, began.elapsed(), Err(&failure), None),
    }
    Proof { extent: Extent::Mailbox, steps: teller.steps, took: began.elapsed() }
}

/// What has to be taken away at the end.
#[derive(Default)]
struct Made {
    /// Whether a mail was, or may have been, sent.
    sent: bool,
    /// Mails that were taken over and not seen yet.
    awaited: Vec<Mail>,
    /// The paths of what was put into a store and not taken out yet.
    left: Vec<(Store, String)>,
}

struct Proving<'a> {
    service: &'a Service,
    mailbox: &'a Mailbox,
    run: Run,
    made: Made,
}

impl Proving<'_> {
    async fn all(&mut self, teller: &mut Teller<'_>) {
        let Self { service, mailbox, .. } = *self;
        let doors = &service.doors;
        let open = |at| Inbox::open(service, at, mailbox);
        let mut inbox = teller.through(&SIGN_IN, doors.imap.as_ref(), open).await;
        let mail = self.submission(teller, inbox.as_mut()).await;
        self.mx(teller, inbox.as_mut()).await;
        if let Some(inbox) = inbox {
            inbox.leave().await;
        }
        self.elsewhere(teller, mail.as_ref()).await;
        self.stores(teller).await;
        let token = self.run.token();
        teller.through(&REFUSE, doors.mx.as_ref(), |at| refuse(service, at, token)).await;
        match &doors.submission {
            Some(at) => {
                let kind = if at.tls == Tls::StartTls { &AUTH_PLAIN } else { &AUTH };
                teller.step(kind, refuse_auth(service, at, mailbox, self.run.token())).await;
            }
            None => teller.not_offered(&AUTH),
        }
        if self.made.sent || !self.made.left.is_empty() {
            teller.at_last(&TIDY, self.tidy()).await;
        } else {
            teller.skip(&TIDY, "nothing is left");
        }
    }

    /// A mail in over submission and out over IMAP. Gives the mail when it has come as it was sent.
    async fn submission(&mut self, teller: &mut Teller<'_>, inbox: Option<&mut Inbox>) -> Option<Mail> {
        let Self { service, mailbox, .. } = *self;
        let door = service.doors.submission.as_ref().filter(|_| service.delivers);
        let (Some(at), Some(inbox)) = (door, inbox) else {
            let offered = door.is_some() && service.doors.imap.is_some();
            for kind in [&SUBMIT, &NOTICE, &FETCH, &DKIM] {
                if offered { teller.skip(kind, NOT_SENT) } else { teller.not_offered(kind) }
            }
            return None;
        };
        let mail = self.run.mail(&mailbox.address, &mailbox.address);
        self.made.sent = true;
        let Some(since) = teller.step(&SUBMIT, submit(service, at, mailbox, &mail)).await else {
            for kind in [&NOTICE, &FETCH, &DKIM] {
                teller.skip(kind, "no mail was submitted");
            }
            return None;
        };
        teller.measured(&NOTICE, inbox.notice(&mail, since)).await;
        // Not skipped when nobody was told: then it says whether the push is broken, or the delivery.
        let Some(raw) = teller.step(&FETCH, inbox.fetch(&mail, since + service.deadline)).await else {
            teller.skip(&DKIM, NOT_FETCHED);
            self.made.awaited.push(mail);
            return None;
        };
        match &service.dkim {
            Some(record) => {
                let verified = async { dkim::verify(&raw, &service.domain, record).await.doing(DKIM.says) };
                teller.step(&DKIM, verified).await;
            }
            None => teller.skip(&DKIM, "the key that should have signed it is not known here"),
        }
        Some(mail)
    }

    /// A mail in over MX and out over IMAP.
    async fn mx(&mut self, teller: &mut Teller<'_>, inbox: Option<&mut Inbox>) {
        let Self { service, mailbox, .. } = *self;
        let (Some(at), Some(inbox)) = (&service.doors.mx, inbox) else {
            let offered = service.doors.mx.is_some() && service.doors.imap.is_some();
            return if offered { teller.skip(&MX, NOT_SENT) } else { teller.not_offered(&MX) };
        };
        let mail = self.run.mail(OUTSIDE, &mailbox.address);
        self.made.sent = true;
        let mut taken = false;
        let came = teller.measured(&MX, async {
            let mut sender = Sender::outside(service, at).await?;
            let since = sender.send(&mail).await?;
            taken = true;
            sender.quit().await;
            let after = inbox.notice(&mail, since).await?;
            // Once, for it has just been seen there.
            inbox.fetch(&mail, since).await.map(|_| after)
        });
        if came.await.is_none() && taken {
            self.made.awaited.push(mail);
        }
    }

    /// The same mail by the other ways out.
    async fn elsewhere(&self, teller: &mut Teller<'_>, mail: Option<&Mail>) {
        let Self { service, mailbox, .. } = *self;
        let doors = &service.doors;
        match (&doors.pop3, mail) {
            (Some(at), Some(mail)) => drop(teller.step(&POP3, fetch(service, at, mailbox, mail)).await),
            (Some(_), None) => teller.skip(&POP3, NOT_FETCHED),
            (None, _) => teller.not_offered(&POP3),
        }
        teller.through(&API, doors.api.as_ref(), |at| api::shows(service, at, mailbox, mail)).await;
        teller.through(&WEB, doors.web.as_ref(), |at| web::shows(service, at, mailbox, mail)).await;
    }

    /// An event and a contact, in and out again.
    async fn stores(&mut self, teller: &mut Teller<'_>) {
        let Self { service, mailbox, .. } = *self;
        let (token, doors) = (self.run.token().to_owned(), &service.doors);
        let event = Item::event(&token, &service.domain);
        let contact = Item::contact(&token, &service.domain);
        for (kind, store, door, item) in [
            (&CALENDAR, Store::Calendar, &doors.caldav, event),
            (&CONTACT, Store::Contacts, &doors.carddav, contact),
        ] {
            let Some(at) = door else {
                teller.not_offered(kind);
                continue;
            };
            let mut left = None;
            let kept =
                async { Dav::sign_in(service, at, mailbox, store).await?.keep(&item, &mut left).await };
            teller.step(kind, kept).await;
            self.made.left.extend(left.map(|path| (store, path)));
        }
    }

    /// Takes away what may be left, over connections of its own: another one may have stopped half-way in an answer.
    async fn tidy(&self) -> Result<(), Failure> {
        let Self { service, mailbox, .. } = *self;
        let mut result = Ok(());
        for (store, path) in &self.made.left {
            let door = match store {
                Store::Calendar => &service.doors.caldav,
                Store::Contacts => &service.doors.carddav,
            };
            if let Some(at) = door {
                let removed = async { Dav::sign_in(service, at, mailbox, *store).await?.remove(path).await };
                result = result.and(removed.await);
            }
        }
        match &service.doors.imap {
            Some(at) if self.made.sent => {
                let removed = tidy_mails(service, at, mailbox, self.run.token(), &self.made.awaited).await;
                result.and(removed)
            }
            _ => result,
        }
    }
}

async fn submit(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    mail: &Mail,
) -> Result<Instant, Failure> {
    let mut sender = Sender::sign_in(service, at, mailbox).await?;
    let since = sender.send(mail).await?;
    sender.quit().await;
    Ok(since)
}

async fn fetch(service: &Service, at: &Endpoint, mailbox: &Mailbox, mail: &Mail) -> Result<(), Failure> {
    let mut client = pop3::Client::connect(service, at).await?;
    client.sign_in(mailbox).await?;
    let raw = client.fetch(mail).await?;
    mail.compare(&raw).doing("find the mail as it was sent")?;
    client.quit().await;
    Ok(())
}

pub(crate) async fn refuse(service: &Service, at: &Endpoint, token: &str) -> Result<(), Failure> {
    let mut sender = Sender::outside(service, at).await?;
    let nobody = format!("nobody-{token}@{}", service.domain);
    sender.refuses(OUTSIDE, &nobody, "somebody@elsewhere.invalid").await?;
    sender.quit().await;
    Ok(())
}

async fn refuse_auth(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    token: &str,
) -> Result<(), Failure> {
    smtp::refuses_wrong_password(service, at, mailbox, token).await?;
    match at.tls {
        Tls::StartTls => smtp::refuses_plain_auth(service, at).await,
        Tls::Implicit => Ok(()),
    }
}

/// Removes all mails of a run. Those that were taken over and have not come are waited for, half of the time there is.
pub(crate) async fn tidy_mails(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    token: &str,
    awaited: &[Mail],
) -> Result<(), Failure> {
    let mut reader = Reader::sign_in(service, at, mailbox).await?.and_earlier();
    let until = Instant::now() + service.deadline / 2;
    let mut missing = 0;
    for mail in awaited {
        missing += usize::from(reader.arrival(mail, until).await?.is_none());
    }
    reader.remove(token).await?;
    reader.sign_out().await;
    if missing > 0 {
        let cause = format!("{missing} taken over and not come; may yet come, with {token} in the subject");
        return Err(Failure::new(TIDY.says, Cause::Found(cause)));
    }
    Ok(())
}
