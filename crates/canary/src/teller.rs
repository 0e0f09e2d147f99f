//! Does the steps of a proof, each within its deadline, keeps how they came out, and tells of them.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::time::timeout;

use crate::failure::{Cause, Failure};
use crate::proof::{Outcome, Step};
use crate::service::Endpoint;

/// A step's name for programs, and for people.
pub(crate) struct Kind {
    pub name: &'static str,
    pub says: &'static str,
}

pub(crate) struct Teller<'a> {
    pub told: &'a mut (dyn FnMut(&Step) + Send),
    pub limit: Duration,
    /// Ends the steps when it is over.
    stop: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    stopped: bool,
    pub steps: Vec<Step>,
}

impl<'a> Teller<'a> {
    pub fn new(
        told: &'a mut (dyn FnMut(&Step) + Send),
        limit: Duration,
        stop: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    ) -> Self {
        Self { told, limit, stop, stopped: false, steps: Vec::new() }
    }

    pub async fn step<T>(
        &mut self,
        kind: &Kind,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Option<T> {
        self.done(kind, work, |_| None).await
    }

    /// A step through a door, if the service has it.
    pub async fn through<'d, T, W>(
        &mut self,
        kind: &Kind,
        door: Option<&'d Endpoint>,
        work: impl FnOnce(&'d Endpoint) -> W,
    ) -> Option<T>
    where
        W: Future<Output = Result<T, Failure>> + Send,
    {
        let Some(at) = door else {
            self.not_offered(kind);
            return None;
        };
        self.step(kind, work(at)).await
    }

    /// A step that finds out how long after its 250 a mail was told of.
    pub async fn measured(
        &mut self,
        kind: &Kind,
        work: impl Future<Output = Result<Duration, Failure>> + Send,
    ) -> Option<()> {
        self.done(kind, work, |after| Some(*after)).await.map(drop)
    }

    /// A step that is done though somebody wants an end: it takes away what the others have left.
    pub async fn at_last(&mut self, kind: &Kind, work: impl Future<Output = Result<(), Failure>> + Send) {
        let began = Instant::now();
        let result = within(self.limit, kind, work).await;
        self.tell(kind, began.elapsed(), result.as_ref().copied(), None);
    }

    async fn done<T>(
        &mut self,
        kind: &Kind,
        work: impl Future<Output = Result<T, Failure>> + Send,
        after: fn(&T) -> Option<Duration>,
    ) -> Option<T> {
        if self.stopped {
            self.skip(kind, "it was interrupted");
            return None;
        }
        let began = Instant::now();
        let result = match select(Box::pin(within(self.limit, kind, work)), self.stop.as_mut()).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => {
                self.stopped = true;
                Err(Failure::new(kind.says, Cause::Interrupted))
            }
        };
        let told = result.as_ref().ok().and_then(after);
        self.tell(kind, began.elapsed(), result.as_ref().map(|_| ()), told);
        result.ok()
    }

    pub fn skip(&mut self, kind: &Kind, why: &str) {
        self.push(kind, Duration::ZERO, Outcome::Skipped { why: why.to_owned() }, None);
    }

    /// The service has no door for it.
    pub fn not_offered(&mut self, kind: &Kind) {
        self.push(kind, Duration::ZERO, Outcome::NotOffered, None);
    }

    pub fn tell(
        &mut self,
        kind: &Kind,
        took: Duration,
        result: Result<(), &Failure>,
        after: Option<Duration>,
    ) {
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

/// Boxed, because the libraries' futures are of many KB and a proof is built from many of them.
pub(crate) fn within<T>(
    limit: Duration,
    kind: &Kind,
    work: impl Future<Output = Result<T, Failure>>,
) -> impl Future<Output = Result<T, Failure>> {
    let late = kind.says;
    let work = timeout(limit, Box::pin(work));
    async move { work.await.unwrap_or_else(|_| Err(Failure::new(late, Cause::Late(limit)))) }
}
