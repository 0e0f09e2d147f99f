//! `berth prove`, and the proof at the end of `up`: which mailbox, how far it goes, how it is told.

use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use berth_canary::{Extent, Failure, Mailbox, Outcome, Proof, Service, Step, latency, protocols, prove};
use berth_engine::{Engine, EngineError, Folder, Wanted};
use berth_report::{Code, Problem};

use crate::account;
use crate::arguments::Prove;
use crate::canary::Canary;
use crate::interrupts::{INTERRUPTED, Interrupts};
use crate::latency::Latencies;
use crate::stdout::print;
use crate::{again, doors, needed, open, problem, table};

/// How often is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(50);

pub fn run(state: Option<PathBuf>, arguments: Prove) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let interrupts = Interrupts::count()?;
    let engine = open::engine(&folder)?;
    let wanted = engine.wanted().map_err(problem::of)?.ok_or_else(nothing_is_up)?;
    open::tend(&*engine);
    let sends = arguments.user.is_some() || account::possible(&wanted);
    if let Some(notice) = needed::check(&wanted, &engine.status().map_err(problem::of)?, sends)? {
        eprintln!("{notice}");
    }
    let through = Through {
        engine: &*engine,
        wanted: &wanted,
        folder: &folder,
        service: doors::service(&folder, &wanted)?,
        interrupts: &interrupts,
    };
    let mailbox = arguments.user.map(read_password).transpose()?;
    let well = match arguments.latency {
        Some(count) => measured(&through, mailbox, count.into(), arguments.json),
        None => proved(&through, mailbox, arguments.json),
    };
    if interrupts.so_far() > 0 {
        // Whatever failed may have failed for that.
        well.map_or_else(|error| eprint!("{}", berth_report::tell(&error)), drop);
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(if well? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a proof, and answers whether nothing failed in it.
fn proved(through: &Through, mailbox: Option<Mailbox>, json: bool) -> anyhow::Result<bool> {
    let mut told = |step: &Step| {
        if !json {
            print(&line(step));
        }
    };
    let proof = through.proof(mailbox, &mut told)?;
    print(&if json { serde_json::to_string_pretty(&proof)? + "\n" } else { verdict(&proof) });
    Ok(proof.passed())
}

/// Prints how soon mails are told of.
fn measured(through: &Through, mailbox: Option<Mailbox>, count: usize, json: bool) -> anyhow::Result<bool> {
    let latencies = Latencies::of(&through.latency(mailbox, count)?);
    print(&if json { serde_json::to_string_pretty(&latencies)? + "\n" } else { latencies.told() });
    Ok(true)
}

fn nothing_is_up() -> Problem {
    let problem = Problem::new(Code::Unavailable, "nothing is up here");
    problem.hint(format!("bring it up: {}", again::berth("up")))
}

/// A mailbox that exists, with the password from stdin.
fn read_password(address: String) -> anyhow::Result<Mailbox> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).context("cannot read the password")?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Mailbox { address, password: password.into() })
}

/// What a proof goes through.
pub struct Through<'a> {
    pub engine: &'a dyn Engine,
    pub wanted: &'a Wanted,
    pub folder: &'a Folder,
    pub service: Service,
    pub interrupts: &'a Interrupts,
}

impl Through<'_> {
    /// Proves the service with a mailbox: the given one, or one that is made for it and removed again, whatever comes of
    /// it, by this proof or else by the next. Where there is none and none can be made, it proves the protocols.
    pub fn proof(
        &self,
        mailbox: Option<Mailbox>,
        told: &mut (dyn FnMut(&Step) + Send),
    ) -> anyhow::Result<Proof> {
        if mailbox.is_none() && !account::possible(self.wanted) {
            return self.until_interrupted(async |stop| protocols(&self.service, stop, told).await);
        }
        self.with_mailbox(mailbox, |mailbox| {
            self.until_interrupted(async |stop| prove(&self.service, mailbox, stop, told).await)
        })
    }

    fn latency(&self, mailbox: Option<Mailbox>, count: usize) -> anyhow::Result<Vec<Duration>> {
        if mailbox.is_none() && !account::possible(self.wanted) {
            let problem = Problem::new(Code::Usage, "this application's accounts cannot be made from here");
            return Err(problem.hint("use a mailbox that exists: --user ADDRESS --password-stdin").into());
        }
        self.with_mailbox(mailbox, |mailbox| {
            let measured =
                self.until_interrupted(async |stop| latency(&self.service, mailbox, count, stop).await)?;
            measured.map_err(|failure| of_failure(&failure))
        })
    }

    fn with_mailbox<T>(
        &self,
        mailbox: Option<Mailbox>,
        work: impl FnOnce(&Mailbox) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let Some(mailbox) = mailbox {
            return work(&mailbox);
        }
        let canary = Canary::make(self.engine, self.wanted, self.folder, &self.service.domain)?;
        let done = work(&canary.account.mailbox());
        let address = canary.account.address.clone();
        if self.interrupts.so_far() > 1 {
            eprintln!("the account {address} is left to the next proof, which removes it");
        } else if let Err(error) = canary.remove() {
            // What was found counts; and where removing fails, it often says why.
            eprintln!(
                "the account {address} could not be removed, which is left to the next proof: {error:#}"
            );
        }
        done
    }

    /// Does the work, which is told when somebody wants an end and then takes away what it has made. Who wants an end
    /// twice gets it.
    fn until_interrupted<T>(
        &self,
        work: impl AsyncFnOnce(Pin<Box<dyn Future<Output = ()> + Send + '_>>) -> T,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let interrupts = self.interrupts;
        let more_than = |count: usize| async move {
            while interrupts.so_far() <= count {
                tokio::time::sleep(LOOK).await;
            }
        };
        runtime.block_on(async {
            tokio::select! {
                done = work(Box::pin(more_than(0))) => Ok(done),
                () = more_than(1) => Err(problem::of(EngineError::Interrupted)),
            }
        })
    }
}

fn of_failure(failure: &Failure) -> anyhow::Error {
    let because = failure.because();
    let problem = Problem::new(Code::Failure, because[0].clone());
    let problem = match &because[1..] {
        [] => problem,
        causes => problem.because(anyhow::anyhow!(causes.join(": "))),
    };
    failure.hint().into_iter().fold(problem, Problem::hint).into()
}

/// A step as a line, with the reason and the hint below when it failed.
pub fn line(step: &Step) -> String {
    let (word, below) = match &step.outcome {
        Outcome::Ok => ("ok", Vec::new()),
        Outcome::Failed { because, hint } => {
            let causes = because.iter().map(|cause| format!("          because: {cause}\n"));
            ("FAILED", causes.chain(hint.iter().map(|hint| format!("          hint: {hint}\n"))).collect())
        }
        Outcome::Skipped { why } => ("skipped", vec![format!("          {why}\n")]),
        Outcome::NotOffered => return format!("  {:<7} {:<58}  not offered\n", "-", step.says),
    };
    let noticed = step.notified_after.map(|after| format!(", told {} after its 250", table::time(after)));
    let took = table::time(step.took);
    format!("  {word:<7} {:<58} {took:>8}{}\n{}", step.says, noticed.unwrap_or_default(), below.concat())
}

/// What the whole proof came to.
pub fn verdict(proof: &Proof) -> String {
    let mail = ["submit", "fetch"]
        .iter()
        .all(|name| proof.steps.iter().any(|step| step.name == *name && step.outcome == Outcome::Ok));
    let said = match (proof.passed(), proof.extent) {
        (false, _) => "NOT proven",
        (true, Extent::Mailbox) if mail => "proven: a mail goes through",
        (true, Extent::Mailbox) => "what is offered is well; no mail could be sent through it",
        (true, Extent::Protocols) => {
            "each door answers; no mail was sent: that takes --user ADDRESS --password-stdin"
        }
    };
    format!("  {said}, in {}\n", table::time(proof.took))
}
