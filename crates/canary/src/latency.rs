//! How soon the owner of a mailbox is told of a mail.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::failure::{Cause, Doing, Failure};
use crate::inbox::Inbox;
use crate::message::{Mail, Run};
use crate::prove::{NOTICE, SIGN_IN, SUBMIT, TIDY, tidy_mails};
use crate::service::{Endpoint, Mailbox, Service};
use crate::smtp::Sender;
use crate::teller::within;

/// Measures how long after its 250 the owner of a mailbox is told of a submitted mail, `count` times one after another.
///
/// All mails go over the same connections. None is left behind, after a failure or an interruption by `stop` neither.
pub async fn latency(
    service: &Service,
    mailbox: &Mailbox,
    count: usize,
    stop: impl Future<Output = ()> + Send,
) -> Result<Vec<Duration>, Failure> {
    let mut run = Run::new(&service.domain).doing("begin")?;
    let mut awaited = Vec::new();
    let door = |door: &'_ Option<Endpoint>, what| door.clone().ok_or(Cause::Missing(what));
    let imap = door(&service.doors.imap, "IMAP").doing(SIGN_IN.says)?;
    let submission = door(&service.doors.submission, "submission").doing(SUBMIT.says)?;
    service
        .delivers
        .then_some(())
        .ok_or(Cause::Missing("delivery of what is submitted"))
        .doing(SUBMIT.says)?;
    let work = measure(service, [&imap, &submission], mailbox, count, &mut run, &mut awaited);
    let measured = match select(Box::pin(work), pin!(stop)).await {
        Either::Left((measured, _)) => measured,
        Either::Right(((), _)) => Err(Failure::new("measure", Cause::Interrupted)),
    };
    let tidied =
        within(service.deadline, &TIDY, tidy_mails(service, &imap, mailbox, run.token(), &awaited)).await;
    measured.and_then(|latencies| tidied.map(|()| latencies))
}

async fn measure(
    service: &Service,
    [imap, submission]: [&Endpoint; 2],
    mailbox: &Mailbox,
    count: usize,
    run: &mut Run,
    awaited: &mut Vec<Mail>,
) -> Result<Vec<Duration>, Failure> {
    let limit = service.deadline;
    let mut inbox = within(limit, &SIGN_IN, Inbox::open(service, imap, mailbox)).await?;
    let mut sender = within(limit, &SUBMIT, Sender::sign_in(service, submission, mailbox)).await?;
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let mail = run.mail(&mailbox.address, &mailbox.address);
        let since = within(limit, &SUBMIT, sender.send(&mail)).await?;
        awaited.push(mail);
        let mail = &awaited[awaited.len() - 1];
        latencies.push(within(limit, &NOTICE, inbox.notice(mail, since)).await?);
        awaited.clear();
    }
    sender.quit().await;
    inbox.leave().await;
    Ok(latencies)
}
