//! `berth prove`, and the proof at the end of `up`: which mailbox, through which ports, how it is told.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use berth_canary::{
    DEADLINE, DkimRecord, Endpoint, Mailbox, Outcome, Proof, Roots, Service, Step, Tls, prove,
};
use berth_control::PortTls;
use berth_engine::{Engine, EngineError, Folder, Port, Wanted};
use berth_report::{Code, Problem};

use crate::account::{self, Account};
use crate::arguments::Prove;
use crate::certificate::AUTHORITY;
use crate::interrupts::Interrupts;
use crate::stdout::print;
use crate::{dkim, open, problem, secrets, table};

/// The ports that a proof goes through, as the world knows them.
pub const SUBMISSION: u16 = 465;
pub const MX: u16 = 25;
pub const IMAP: u16 = 993;

/// How often is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(50);

pub fn run(state: Option<PathBuf>, arguments: Prove) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let interrupts = Interrupts::count()?;
    let engine = open::engine(&folder);
    let wanted = engine
        .wanted()
        .map_err(problem::of)?
        .ok_or_else(|| Problem::new(Code::Unavailable, "nothing is up here").hint("bring it up: berth up"))?;
    let service = service(&folder, &wanted)?;
    let mut told = |step: &Step| {
        if !arguments.json {
            print(&line(step));
        }
    };
    let proof = match arguments.user {
        Some(address) => {
            let mut password = String::new();
            std::io::stdin().read_line(&mut password).context("cannot read the password")?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            through(&service, &Mailbox { address, password: password.into() }, &interrupts, &mut told)?
        }
        None => with_own_mailbox(&engine, &wanted, &service, &interrupts, &mut told)?,
    };
    print(&if arguments.json { serde_json::to_string_pretty(&proof)? + "\n" } else { verdict(&proof) });
    Ok(if proof.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Proves the service with a mailbox that is made for it and removed again, whatever comes of it.
pub fn with_own_mailbox(
    engine: &dyn Engine,
    wanted: &Wanted,
    service: &Service,
    interrupts: &Interrupts,
    told: &mut (dyn FnMut(&Step) + Send),
) -> anyhow::Result<Proof> {
    if !account::possible(wanted) {
        let problem = Problem::new(Code::Usage, "this application's accounts cannot be made from here");
        return Err(problem.hint("use a mailbox that exists: --user ADDRESS --password-stdin").into());
    }
    let name = secrets::random(8, b"abcdefghijklmnopqrstuvwxyz")?;
    let account = Account::new(format!("canary-{name}@{}", service.domain))?;
    account::add(engine, wanted, &account)?;
    let proof = through(service, &account.mailbox(), interrupts, told);
    account::remove(engine, wanted, &account.address)?;
    proof
}

fn through(
    service: &Service,
    mailbox: &Mailbox,
    interrupts: &Interrupts,
    told: &mut (dyn FnMut(&Step) + Send),
) -> anyhow::Result<Proof> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = interrupts.so_far();
    runtime.block_on(async {
        let interrupted = async {
            while interrupts.so_far() == before {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            proof = prove(service, mailbox, told) => Ok(proof),
            () = interrupted => Err(problem::of(EngineError::Interrupted)),
        }
    })
}

/// The service as its clients reach it. Fails when the roles that a mail goes through are not all wanted.
pub fn service(folder: &Folder, wanted: &Wanted) -> anyhow::Result<Service> {
    let domain = wanted.environment.get("WEB_HOST").cloned().context("the settings have no WEB_HOST")?;
    let host = host(wanted);
    let endpoint = |published| -> Result<Endpoint, Problem> {
        let port = door(wanted, published).ok_or_else(|| {
            Problem::new(
                Code::Usage,
                format!("no role listens for port {published}, which a proof goes through"),
            )
        })?;
        let tls = if port.listening.tls == PortTls::Implicit { Tls::Implicit } else { Tls::StartTls };
        Ok(Endpoint { host: host.clone(), port: port.listening.number, tls, server_name: domain.clone() })
    };
    let (submission, mx, imap) = (endpoint(SUBMISSION), endpoint(MX), endpoint(IMAP));
    let authority =
        folder.read(AUTHORITY)?.context("there is no certification authority in the state folder")?;
    let record = folder.read(dkim::RECORD)?;
    Ok(Service {
        submission: submission?,
        mx: mx?,
        imap: imap?,
        roots: Roots::from_pem(authority.as_bytes())?,
        dkim: record
            .map(|txt| DkimRecord { selector: dkim::SELECTOR.to_owned(), txt: txt.trim().to_owned() }),
        deadline: DEADLINE,
        domain,
    })
}

/// The port that the world knows by this number.
pub fn door(wanted: &Wanted, published: u16) -> Option<&Port> {
    wanted.instances.iter().flat_map(|instance| &instance.ports).find(|port| port.published == published)
}

/// The address at which a client on this host reaches the service.
pub fn host(wanted: &Wanted) -> String {
    let first = wanted.listen.iter().find(|address| !address.is_unspecified());
    first.map_or("127.0.0.1".to_owned(), ToString::to_string)
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
    };
    let noticed = step.notified_after.map(|after| format!(", told {} after its 250", table::time(after)));
    let took = table::time(step.took);
    format!("  {word:<7} {:<58} {took:>8}{}\n{}", step.says, noticed.unwrap_or_default(), below.concat())
}

/// What the whole proof came to.
pub fn verdict(proof: &Proof) -> String {
    let said = if proof.passed() { "proven: a mail goes through" } else { "NOT proven" };
    format!("  {said}, in {}\n", table::time(proof.took))
}
