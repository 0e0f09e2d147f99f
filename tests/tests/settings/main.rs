//! Our reading of settings, held to the application's own loader: the same files and the same environment, made at random,
//! go to both. `BERTH_TEST_SEED` repeats a run.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod loader;
mod making;

use std::io::Write;

use berth_settings::{Finding, Settings, Severity, Value};
use berth_tests::Case;

use loader::{Loaded, Loader};
use making::Maker;

const CASES: usize = 10_000;

/// Past the harness, which keeps what a passing test prints to itself.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A value with the types of its parts, as loader.cjs writes it.
fn told(value: &Value) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    match value {
        Value::List(parts) => format!("[{}]", parts.iter().map(told).collect::<Vec<_>>().join(" ")),
        Value::Text(text) => format!("string {}", quoted(text)),
        Value::Flag(flag) => format!("boolean {}", quoted(&flag.to_string())),
        number @ Value::Number(_) => format!("number {}", quoted(&number.to_string())),
    }
}

fn refused(findings: &[Finding]) -> Vec<String> {
    let refused = findings.iter().filter(|finding| finding.severity == Severity::Refused);
    refused.map(ToString::to_string).collect()
}

/// Both ways: what the loader takes is read alike or refused by name as what only makes sense in JavaScript, and what the
/// loader ends on is refused.
#[test]
fn files_are_read_as_the_applications_loader_reads_them() {
    let case = Case::new();
    let Some(mut loader) = Loader::start(&case) else { return };
    let mut make = Maker::new();
    let (mut alike, mut ended, mut ours) = (0, 0, 0);
    for number in 0..CASES {
        let given = make.case(&case);
        let context = || format!("BERTH_TEST_SEED={} case {number}: {given:#?}", make.seed());
        let settings = Settings::load(case.folder(), given.environment.clone());
        let refused = refused(&settings.findings(|_| false));
        match loader.load(case.folder(), &given.environment) {
            Loaded::Error(error) => {
                assert!(!refused.is_empty(), "only the loader ends ({error}): {}", context());
                ended += 1;
            }
            Loaded::Settings(_) if !refused.is_empty() => {
                let by_name = |reason: &String| reason.contains("is no setting but JavaScript's own");
                // What names a value that cannot be rendered may be broken by it.
                assert!(refused.iter().any(by_name), "only we refuse: {refused:#?}\n{}", context());
                ours += 1;
            }
            Loaded::Settings(theirs) => {
                let mine: Vec<_> = settings
                    .iter()
                    .map(|setting| {
                        (setting.key().to_owned(), setting.text().to_owned(), told(&setting.value()))
                    })
                    .collect();
                let sorted = |mut settings: Vec<_>| {
                    settings.sort();
                    settings
                };
                assert_eq!(sorted(mine), sorted(theirs), "{}", context());
                alike += 1;
            }
        }
    }
    assert!(alike > CASES / 4 && ended > 0, "the cases are worth comparing: {alike} alike, {ended} ended");
    let seed = make.seed();
    tell(&format!(
        "{CASES} made settings compared with @ladjs/env: {alike} read alike, {ended} refused by both, {ours} refused by \
         us alone and by name (BERTH_TEST_SEED={seed})"
    ));
}

/// Both ways: a secret that is not refused reaches the application as it was written, and one that is refused would not.
#[test]
fn a_secret_is_refused_exactly_when_the_loader_would_change_it() {
    let case = Case::new();
    let Some(mut loader) = Loader::start(&case) else { return };
    let mut make = Maker::new();
    let (mut kept, mut changed) = (0, 0);
    for number in 0..CASES {
        let value = make.secret();
        let context = || format!("BERTH_TEST_SEED={} case {number}: {value:?}", make.seed());
        let environment = vec![("SRS_SECRET".to_owned(), value.clone())];
        let is_refused =
            !refused(&Settings::load(case.folder(), environment.clone()).findings(|_| true)).is_empty();
        let arrives = match loader.load(case.folder(), &environment) {
            Loaded::Settings(theirs) => theirs[0].2 == told(&Value::Text(value.clone())),
            Loaded::Error(_) => false,
        };
        assert_eq!(is_refused, !arrives, "{}", context());
        if arrives {
            kept += 1;
        } else {
            changed += 1;
        }
    }
    assert!(kept > CASES / 10 && changed > CASES / 10, "{kept} kept, {changed} changed");
    let seed = make.seed();
    tell(&format!(
        "{CASES} made secrets handed to @ladjs/env: {kept} arrive as written, {changed} would be changed and are refused \
         (BERTH_TEST_SEED={seed})"
    ));
}
