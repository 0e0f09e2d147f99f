//! What can be proved without a mailbox: that each door answers in its protocol, over TLS that can be trusted.

use std::pin::pin;
use std::time::Instant;

use hyper::StatusCode;
use hyper::header::WWW_AUTHENTICATE;

use crate::failure::{Cause, Doing, Failure};
use crate::http::Connection;
use crate::message::Run;
use crate::proof::{Extent, Proof, Step};
use crate::prove::{REFUSE, refuse};
use crate::service::{Endpoint, Service};
use crate::smtp::Sender;
use crate::teller::{Kind, Teller};
use crate::{api, dav, imap, pop3};

const SUBMISSION: Kind = Kind { name: "submission-door", says: "be greeted by submission over TLS" };
const MX: Kind = Kind { name: "mx-door", says: "be greeted by MX over TLS" };
const IMAP: Kind = Kind { name: "imap-door", says: "be greeted by IMAP over TLS" };
const POP3: Kind = Kind { name: "pop3-door", says: "be greeted by POP3 over TLS" };
const API: Kind = Kind { name: "api-door", says: "be answered by the API" };
const WEB: Kind = Kind { name: "web-door", says: "be answered by the web page" };
const CALDAV: Kind = Kind { name: "caldav-door", says: "see calendars locked" };
const CARDDAV: Kind = Kind { name: "carddav-door", says: "see contacts locked" };

/// Proves that the doors of `service` are there. It sends no mail, needs no password, and says no more than that.
pub async fn protocols(
    service: &Service,
    stop: impl Future<Output = ()> + Send,
    told: &mut (dyn FnMut(&Step) + Send),
) -> Proof {
    let began = Instant::now();
    let mut stop = pin!(stop);
    let mut teller = Teller::new(told, service.deadline, stop.as_mut());
    let doors = &service.doors;
    teller.through(&SUBMISSION, doors.submission.as_ref(), |at| smtp(service, at)).await;
    teller.through(&IMAP, doors.imap.as_ref(), |at| imap::greet(service, at)).await;
    teller.through(&POP3, doors.pop3.as_ref(), |at| pop3(service, at)).await;
    teller.through(&API, doors.api.as_ref(), |at| api::is_open(service, at)).await;
    teller.through(&WEB, doors.web.as_ref(), |at| page(service, at)).await;
    teller.through(&CALDAV, doors.caldav.as_ref(), |at| dav::is_locked(service, at)).await;
    teller.through(&CARDDAV, doors.carddav.as_ref(), |at| dav::is_locked(service, at)).await;
    teller.through(&MX, doors.mx.as_ref(), |at| smtp(service, at)).await;
    teller.through(&REFUSE, doors.mx.as_ref(), |at| refused(service, at)).await;
    Proof { extent: Extent::Protocols, steps: teller.steps, took: began.elapsed() }
}

async fn smtp(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    Sender::outside(service, at).await?.quit().await;
    Ok(())
}

async fn refused(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    refuse(service, at, Run::new(&service.domain).doing("begin")?.token()).await
}

async fn pop3(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    pop3::Client::connect(service, at).await?.quit().await;
    Ok(())
}

/// A page, or the way to one; or the question for a password that stands before every page (RFC 7617).
async fn page(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    let what = "ask for the page";
    let (head, _) = Connection::open(service, at).await?.get("/").await.doing(what)?;
    let gate = head.status == StatusCode::UNAUTHORIZED && head.headers.contains_key(WWW_AUTHENTICATE);
    let fine = head.status == StatusCode::OK || head.status.is_redirection() || gate;
    fine.then_some(()).ok_or(Cause::Http(head.status)).doing(what)
}
