//! The probes and the real programs: every role of the sample application is asked again and again and has no word about
//! it in its log, and with real stores behind it a role waits for them, and is good for nobody without.

use berth_tests::wait_until;
use serde_json::Value;

use crate::service::{ALL, ROLES, Ran, Service};
use crate::stores;

/// Whether the answer is yes, and its one line.
fn ask(service: &Service, role: &str, words: &[&str]) -> (bool, String) {
    let Ran { code, out, err } = service.ask(role, words);
    assert!(err.is_empty() && out.lines().count() == 1, "{role}: {out}{err}");
    (code == Some(0), out)
}

/// Errors and warnings, and what is no line of a log at all.
fn is_complaint(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    !matches!(line["level"].as_str(), Some("info" | "INFO" | "debug" | "DEBUG"))
}

#[test]
fn every_role_is_healthy_and_lives_and_its_log_has_no_word_about_being_asked() {
    let service = Service::up_with(&ALL);
    let log = |role| service.case.read(format!("state/logs/{role}.log"));
    let before: Vec<_> = ALL.iter().map(|role| log(role).len()).collect();
    for _ in 0..5 {
        for role in ALL {
            for words in [&["health"][..], &["health", "--live"]] {
                let (good, line) = ask(&service, role, words);
                assert!(good, "{role}: {line}");
            }
        }
    }
    // Whatever is told of a connection is told by the time that its role has ended.
    service.done(&["down"]);
    for (role, before) in ALL.iter().zip(before) {
        let log = log(role);
        let complaints: Vec<_> = log[before..].lines().filter(|line| is_complaint(line)).collect();
        assert!(complaints.is_empty(), "{role}: {complaints:#?}");
    }
}

#[test]
fn with_real_stores_a_role_is_healthy_only_while_they_answer() {
    let Some(programs) = stores::programs() else { return };
    let service = Service::new();
    let mut stores = stores::up(&service, &programs);
    for role in ROLES {
        let (good, line) = ask(&service, role, &["health"]);
        assert!(
            good && line.contains("MONGO_URI answers") && line.contains("_REDIS_HOST answers"),
            "{role}: {line}"
        );
    }

    stores.documents.kill();
    for role in ROLES {
        let (good, line) = ask(&service, role, &["health"]);
        assert!(!good && line.contains(&format!("{role} needs MONGO_URI: ")), "{line}");
        let (lives, line) = ask(&service, role, &["health", "--live"]);
        assert!(lives, "{role}: {line}");
    }
    // Started again while it is away, a role waits, and logs in when it is back.
    ask(&service, "mx", &["restart"]);
    let waiting = wait_until("mx waits for its document store", || {
        let (_, line) = ask(&service, "mx", &["health"]);
        line.contains("mx is waiting for ").then_some(line)
    });
    assert!(waiting.contains("MONGO_URI: "), "{waiting}");
    stores.documents.start();
    for role in ROLES {
        wait_until(&format!("{role} is healthy again"), || ask(&service, role, &["health"]).0.then_some(()));
    }

    stores.redis.kill();
    let (good, line) = ask(&service, "imap", &["health"]);
    assert!(!good && line.contains("imap"), "{line}");
    stores.redis.start();
    for role in ROLES {
        wait_until(&format!("{role} is healthy again"), || ask(&service, role, &["health"]).0.then_some(()));
    }
    service.done(&["down"]);
}
