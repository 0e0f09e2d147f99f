//! The steps of the proof, in their order, each within its deadline.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::dkim;
use crate::failure::{Cause, Doing, Failure};
use crate::imap::{Reader, Watcher};
use crate::message::{Mail, Run};
use crate::proof::{Outcome, Proof, Step};
use crate::service::{Mailbox, Service, Tls};
use crate::smtp::{self, Sender};

/// A sender in a domain that nobody has (RFC 6761 section 6.4), so that no mail can go back to anybody.
const OUTSIDE: &str = "canary@outside.invalid";

struct Kind {
    name: &'static str,
    says: &'static str,
}

const SIGN_IN: Kind = Kind { name: "sign-in", says: "sign in over IMAP and wait for new mails" };
const SUBMIT: Kind = Kind { name: "submit", says: "submit a mail over TLS with AUTH" };
const NOTICE: Kind = Kind { name: "notice", says: "notice it through IDLE" };
const FETCH: Kind = Kind { name: "fetch", says: "fetch it as it was sent" };
const DKIM: Kind = Kind { name: "dkim", says: "verify its DKIM signature" };
const MX: Kind = Kind { name: "mx", says: "receive a mail from outside through MX" };
const REFUSE: Kind = Kind { name: "refuse", says: "see unknown recipients and other domains refused" };
const AUTH: Kind = Kind { name: "auth", says: "see a wrong password refused" };
const AUTH_PLAIN: Kind = Kind { name: "auth", says: "see a wrong password and AUTH without TLS refused" };
const TIDY: Kind = Kind { name: "tidy", says: "remove every mail that it made" };

/// Proves that mails go through `service`, into and out of `mailbox`. `told` hears of each step when it is over.
///
/// It takes a second or two where all is well, and at most nine times [`Service::deadline`]. A failed step does not
/// end it: what can still be tried is.
pub async fn prove(service: &Service, mailbox: &Mailbox, told: &mut (dyn FnMut(&Step) + Send)) -> Proof {
    let began = Instant::now();
    let mut teller = Teller { told, limit: service.deadline, steps: Vec::new() };
    if let Err(cause) = Box::pin(all(service, mailbox, &mut teller)).await {
        teller.tell(&SIGN_IN, Duration::ZERO, Err(&Failure::new("begin", cause)), None);
    }
    Proof { steps: teller.steps, took: began.elapsed() }
}

async fn all(service: &Service, mailbox: &Mailbox, teller: &mut Teller<'_>) -> Result<(), Cause> {
    let mut run = Run::new(&service.domain)?;
    let mut awaited = Vec::new();
    let inbox = teller.step(&SIGN_IN, Inbox::open(service, mailbox)).await;
    let signed_in = inbox.is_some();
    if let Some(mut inbox) = inbox {
        submission(service, mailbox, teller, &mut run, &mut inbox, &mut awaited).await;
        mx(service, mailbox, teller, &mut run, &mut inbox, &mut awaited).await;
        inbox.leave().await;
    } else {
        for kind in [&SUBMIT, &NOTICE, &FETCH, &DKIM, &MX] {
            teller.skip(kind, "what was sent could not be removed without signing in");
        }
    }
    teller.step(&REFUSE, refuse(service, run.token())).await;
    let auth = if service.submission.tls == Tls::StartTls { &AUTH_PLAIN } else { &AUTH };
    teller.step(auth, refuse_auth(service, mailbox, run.token())).await;
    if signed_in {
        teller.step(&TIDY, tidy(service, mailbox, run.token(), &awaited)).await;
    } else {
        teller.skip(&TIDY, "nothing was sent");
    }
    Ok(())
}

async fn submission(
    service: &Service,
    mailbox: &Mailbox,
    teller: &mut Teller<'_>,
    run: &mut Run,
    inbox: &mut Inbox,
    awaited: &mut Vec<Mail>,
) {
    let mail = run.mail(&mailbox.address, &mailbox.address);
    let Some(since) = teller.step(&SUBMIT, submit(service, mailbox, &mail)).await else {
        for kind in [&NOTICE, &FETCH, &DKIM] {
            teller.skip(kind, "no mail was submitted");
        }
        return;
    };
    teller.measured(&NOTICE, inbox.notice(&mail, since)).await;
    // Not skipped when nobody was told: then it says whether the push is broken, or the delivery.
    let Some(raw) = teller.step(&FETCH, inbox.fetch(&mail, since + service.deadline)).await else {
        teller.skip(&DKIM, "no mail was fetched");
        awaited.push(mail);
        return;
    };
    match &service.dkim {
        Some(record) => {
            let verified = async { dkim::verify(&raw, &service.domain, record).await.doing(DKIM.says) };
            teller.step(&DKIM, verified).await;
        }
        None => teller.skip(&DKIM, "the key that should have signed it is not known here"),
    }
}

async fn mx(
    service: &Service,
    mailbox: &Mailbox,
    teller: &mut Teller<'_>,
    run: &mut Run,
    inbox: &mut Inbox,
    awaited: &mut Vec<Mail>,
) {
    let mail = run.mail(OUTSIDE, &mailbox.address);
    let mut taken = false;
    let came = teller.measured(&MX, async {
        let mut sender = Sender::outside(service).await?;
        let since = sender.send(&mail).await?;
        taken = true;
        sender.quit().await;
        let after = inbox.notice(&mail, since).await?;
        // Once, for it has just been seen there.
        inbox.fetch(&mail, since).await.map(|_| after)
    });
    if came.await.is_none() && taken {
        awaited.push(mail);
    }
}

async fn submit(service: &Service, mailbox: &Mailbox, mail: &Mail) -> Result<Instant, Failure> {
    let mut sender = Sender::sign_in(service, mailbox).await?;
    let since = sender.send(mail).await?;
    sender.quit().await;
    Ok(since)
}

async fn refuse(service: &Service, token: &str) -> Result<(), Failure> {
    let mut sender = Sender::outside(service).await?;
    let nobody = format!("nobody-{token}@{}", service.domain);
    sender.refuses(OUTSIDE, &nobody, "somebody@elsewhere.invalid").await?;
    sender.quit().await;
    Ok(())
}

async fn refuse_auth(service: &Service, mailbox: &Mailbox, token: &str) -> Result<(), Failure> {
    smtp::refuses_wrong_password(service, mailbox, token).await?;
    match service.submission.tls {
        Tls::StartTls => smtp::refuses_plain_auth(service).await,
        Tls::Implicit => Ok(()),
    }
}

/// Removes all mails of the run over a connection of its own: another one may have stopped half-way in an answer.
async fn tidy(service: &Service, mailbox: &Mailbox, token: &str, awaited: &[Mail]) -> Result<(), Failure> {
    let mut reader = Reader::sign_in(service, mailbox).await?.and_earlier();
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

/// Measures how long after its 250 the owner of a mailbox is told of a submitted mail, `count` times one after another.
///
/// All mails go over the same connections. None is left behind.
pub async fn latency(service: &Service, mailbox: &Mailbox, count: usize) -> Result<Vec<Duration>, Failure> {
    let mut run = Run::new(&service.domain).doing("begin")?;
    let mut awaited = Vec::new();
    let measured = Box::pin(measure(service, mailbox, count, &mut run, &mut awaited)).await;
    let tidied = within(service.deadline, &TIDY, tidy(service, mailbox, run.token(), &awaited)).await;
    measured.and_then(|latencies| tidied.map(|()| latencies))
}

async fn measure(
    service: &Service,
    mailbox: &Mailbox,
    count: usize,
    run: &mut Run,
    awaited: &mut Vec<Mail>,
) -> Result<Vec<Duration>, Failure> {
    let limit = service.deadline;
    let mut inbox = within(limit, &SIGN_IN, Inbox::open(service, mailbox)).await?;
    let mut sender = within(limit, &SUBMIT, Sender::sign_in(service, mailbox)).await?;
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let mail = run.mail(&mailbox.address, &mailbox.address);
        let since = within(limit, &SUBMIT, sender.send(&mail)).await?;
        match within(limit, &NOTICE, inbox.notice(&mail, since)).await {
            Ok(after) => latencies.push(after),
            Err(failure) => {
                awaited.push(mail);
                return Err(failure);
            }
        }
    }
    sender.quit().await;
    inbox.leave().await;
    Ok(latencies)
}

/// Boxed, because the libraries' futures are of many KB and a proof is built from many of them.
fn within<T>(
    limit: Duration,
    kind: &Kind,
    work: impl Future<Output = Result<T, Failure>>,
) -> impl Future<Output = Result<T, Failure>> {
    let late = kind.says;
    let work = timeout(limit, Box::pin(work));
    async move { work.await.unwrap_or_else(|_| Err(Failure::new(late, Cause::Late(limit)))) }
}

/// INBOX over two connections, because one that waits cannot do anything else.
struct Inbox {
    watcher: Watcher,
    reader: Reader,
}

impl Inbox {
    async fn open(service: &Service, mailbox: &Mailbox) -> Result<Self, Failure> {
        let reader = Reader::sign_in(service, mailbox).await?;
        let watcher = Reader::sign_in(service, mailbox).await?.watch().await?;
        Ok(Self { watcher, reader })
    }

    async fn notice(&mut self, mail: &Mail, since: Instant) -> Result<Duration, Failure> {
        let told = self.watcher.notice(mail, &mut self.reader).await?;
        Ok(told.saturating_duration_since(since))
    }

    async fn fetch(&mut self, mail: &Mail, until: Instant) -> Result<Vec<u8>, Failure> {
        let raw = self.reader.fetch(mail, until).await?;
        mail.compare(&raw).doing("find the mail as it was sent")?;
        Ok(raw)
    }

    async fn leave(self) {
        tokio::join!(self.watcher.sign_out(), self.reader.sign_out());
    }
}

/// Does steps, keeps how they came out, and tells of them.
struct Teller<'a> {
    told: &'a mut (dyn FnMut(&Step) + Send),
    limit: Duration,
    steps: Vec<Step>,
}

impl Teller<'_> {
    async fn step<T>(&mut self, kind: &Kind, work: impl Future<Output = Result<T, Failure>>) -> Option<T> {
        let began = Instant::now();
        let result = within(self.limit, kind, work).await;
        self.tell(kind, began.elapsed(), result.as_ref().map(|_| ()), None);
        result.ok()
    }

    /// A step that finds out how long after its 250 a mail was told of.
    async fn measured(
        &mut self,
        kind: &Kind,
        work: impl Future<Output = Result<Duration, Failure>>,
    ) -> Option<()> {
        let began = Instant::now();
        let result = within(self.limit, kind, work).await;
        let after = result.as_ref().ok().copied();
        self.tell(kind, began.elapsed(), result.as_ref().map(|_| ()), after);
        after.map(|_| ())
    }

    fn skip(&mut self, kind: &Kind, why: &str) {
        self.push(kind, Duration::ZERO, Outcome::Skipped { why: why.to_owned() }, None);
    }

    fn tell(&mut self, kind: &Kind, took: Duration, result: Result<(), &Failure>, after: Option<Duration>) {
        let outcome = result.map_or_else(
            |failure| Outcome::Failed { because: failure.because(), hint: failure.hint() },
            |()| Outcome::Ok,
        );
        self.push(kind, took, outcome, after);
    }

    fn push(&mut self, kind: &Kind, took: Duration, outcome: Outcome, notified_after: Option<Duration>) {
        let step = Step { name: kind.name, says: kind.says, outcome, took, notified_after };
        (self.told)(&step);
        self.steps.push(step);
    }
}
