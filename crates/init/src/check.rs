//! `berth-init check [ROLE]`: all that would keep a role from running, and all that is odd, without starting anything.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::called;
use berth_report::Code;
use berth_role::Role;
use berth_settings::{Finding, OWN, Origin, Severity};
use serde::Serialize;

use crate::account::leave_root;
use crate::engines;
use crate::needs::{self, Key};
use crate::own::{Own, environment};
use crate::review::Review;
use crate::{application, print, whose};

/// What a program reads.
#[derive(Serialize)]
struct Verdict<'a> {
    role: &'a str,
    /// Whether it would be started.
    good: bool,
    findings: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    severity: &'static str,
    /// The file, `environment`, or nothing.
    source: Option<String>,
    line: Option<usize>,
    key: Option<String>,
    message: String,
}

/// Prints what was found; exit 0 when the role would be started, else 78.
pub fn run(named: Option<String>, json: bool) -> anyhow::Result<ExitCode> {
    let role = called(&whose::role(named)?)?;
    let own = Own::read()?;
    leave_root(&own)?;
    let folder =
        application::folder(role, &own).with_context(|| format!("cannot check the role {}", role.name))?;
    let review = Review::of(role, &folder, &own);
    let mut findings = review.findings.clone();
    findings.extend(node(&own, &folder));
    findings.extend(mistyped());
    findings.extend(logins(&review)?);
    findings.sort_by_key(|finding| finding.severity);
    let good = findings.iter().all(|finding| finding.severity != Severity::Refused);
    if json {
        let findings = findings.iter().map(Told::of).collect();
        print::json(&Verdict { role: role.name, good, findings })?;
    } else {
        print::lines(&page(role, &folder, &findings))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(Code::Settings.number()) })
}

fn page(role: &Role, folder: &Path, findings: &[Finding]) -> Vec<String> {
    let of = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    let verb = if of(Severity::Refused).next().is_none() { "would be" } else { "cannot be" };
    let mut page =
        vec![format!("The role {} {verb} started with the settings in {}.", role.name, folder.display())];
    for (severity, title) in [
        (Severity::Refused, "To be mended:"),
        (Severity::Warned, "Odd:"),
        (Severity::Noted, "Read otherwise by others:"),
    ] {
        if of(severity).next().is_some() {
            page.extend([String::new(), title.to_owned()]);
            page.extend(of(severity).map(|finding| format!("  {finding}")));
        }
    }
    page
}

impl Told {
    fn of(finding: &Finding) -> Self {
        let (source, line) = match &finding.origin {
            Some(Origin::File { name, line }) => (Some((*name).to_owned()), (*line > 0).then_some(*line)),
            Some(other) => (Some(other.to_string()), None),
            None => (None, None),
        };
        let severity = finding.severity.word();
        Self { severity, source, line, key: finding.key.clone(), message: finding.message.clone() }
    }
}

/// A Node that is not there, or is not one that the application was made for.
fn node(own: &Own, folder: &Path) -> Option<Finding> {
    match application::node(own) {
        Err(problem) => Some(Finding::refused(problem.to_string()).of("BERTH_NODE")),
        Ok(node) => engines::finding(&node, folder),
    }
}

/// Settings that look like ours and are not: they are passed over, so that a slip would go unseen.
fn mistyped() -> impl Iterator<Item = Finding> {
    let known = || OWN.iter().filter_map(|own| own.key.strip_prefix("BERTH_"));
    environment().filter_map(move |(key, _)| {
        let name = key.strip_prefix("BERTH_").filter(|name| !known().any(|own| own == *name))?;
        let meant = berth_report::nearest(name, known())?;
        let message = format!("is no setting of berth-init; did you mean BERTH_{meant}?");
        Some(Finding::warned(message).of(&key).at(&Origin::Environment))
    })
}

/// Whether the stores that want credentials take them: the one question that goes out, once to each.
fn logins(review: &Review) -> anyhow::Result<Vec<Finding>> {
    let stores: Vec<_> =
        review.needs.iter().filter(|needed| matches!(needed.key, Key::Login(_) | Key::Password(_))).collect();
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let client = needs::client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let mut findings = Vec::new();
        for needed in stores {
            if let Err(error) = needs::ask(&client, &needed.need, &needed.key).await {
                findings.push(refusal_or_silence(&needs::told_with_causes(&needed.need, &error), &error));
            }
        }
        findings
    }))
}

/// Refused credentials stay so; a store that does not answer may do so by the time that the role waits for it.
fn refusal_or_silence(told: &str, error: &berth_probe::ProbeError) -> Finding {
    match error.fault {
        berth_probe::Fault::Refused => Finding::refused(told),
        _ => Finding::warned(told),
    }
}
