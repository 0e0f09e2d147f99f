//! The proof against a service that does well, and against each wrong that it has to find.

#![allow(clippy::unwrap_used, reason = "allow-unwrap-in-tests does not see that this whole program is tests")]

mod imap;
mod line;
mod pretend;
mod smtp;

use std::time::Duration;

use berth_canary::{Outcome, Proof, Tls, latency, prove};
use pretend::{Fault, Pretend, certificates};

const BEFORE: &str = "INBOX: Subject: from before";
const MEANWHILE: &str = "INBOX: Subject: meanwhile";

/// For services that never answer. Those that do are far quicker, on a busy machine too.
const SHORT: Duration = Duration::from_secs(2);

async fn started(fault: Fault) -> Pretend {
    let mut pretend = Pretend::start(fault, Tls::Implicit).await;
    pretend.service.deadline = SHORT;
    pretend
}

async fn proved(pretend: &Pretend) -> Proof {
    let mut told = Vec::new();
    let proof = prove(&pretend.service, &pretend.mailbox, &mut |step| told.push(step.name)).await;
    assert_eq!(told, proof.steps.iter().map(|step| step.name).collect::<Vec<_>>());
    proof
}

/// The steps that are not ok, and why.
fn wrong(proof: &Proof) -> Vec<String> {
    let told = proof.steps.iter().filter_map(|step| match &step.outcome {
        Outcome::Ok => None,
        Outcome::Failed { because, .. } => Some(format!("{} failed: {}", step.name, because.join(": "))),
        Outcome::Skipped { why } => Some(format!("{} skipped: {why}", step.name)),
    });
    told.collect()
}

fn hint(proof: &Proof, name: &str) -> String {
    let step = proof.steps.iter().find(|step| step.name == name).unwrap();
    match &step.outcome {
        Outcome::Failed { hint, .. } => hint.clone().unwrap(),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_service_passes_and_nothing_is_left() {
    for tls in [Tls::Implicit, Tls::StartTls] {
        let pretend = Pretend::start(Fault::None, tls).await;
        let proof = proved(&pretend).await;
        assert_eq!(wrong(&proof), [""; 0]);
        assert_eq!(pretend.mails(), [BEFORE]);
        let measured =
            |name| proof.steps.iter().any(|step| step.name == name && step.notified_after.is_some());
        assert!(measured("notice") && measured("mx") && !measured("fetch"));
    }
}

/// One wrong of the service is one failed step, and nothing is left behind.
#[tokio::test]
async fn a_wrong_is_found_by_its_step() {
    let wrongs = [
        (Fault::Unsigned, "dkim failed: cannot verify its DKIM signature: the mail has no DKIM signature"),
        (
            Fault::OtherKey,
            "dkim failed: cannot verify its DKIM signature: the mail has no good signature of example.test \
             (d=example.test s=main: it is not of the published key)",
        ),
        (
            Fault::Relays,
            "refuse failed: cannot see a mail to another domain refused: to somebody@elsewhere.invalid, which is \
             not of its domain, it said: 250 fine",
        ),
        (
            Fault::AnyPassword,
            "auth failed: cannot see a wrong password refused: submission let somebody@example.test in with one",
        ),
    ];
    for (fault, why) in wrongs {
        let pretend = started(fault).await;
        assert_eq!(wrong(&proved(&pretend).await), [why]);
        assert_eq!(pretend.mails(), [BEFORE]);
    }
}

#[tokio::test]
async fn a_mail_to_nobody_that_is_taken_is_found() {
    let proof = proved(&started(Fault::CatchesAll).await).await;
    let [why] = wrong(&proof).try_into().unwrap();
    assert!(
        why.starts_with("refuse failed: cannot see a mail to an unknown recipient refused: to nobody-"),
        "{why}"
    );
    assert!(why.ends_with("it should say 550, and said: 250 fine"), "{why}");
}

#[tokio::test]
async fn auth_in_plain_text_is_found() {
    let pretend = Pretend::start(Fault::PlainAuth, Tls::StartTls).await;
    let [why] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert!(why.starts_with("auth failed: cannot see AUTH without TLS refused"), "{why}");
}

#[tokio::test]
async fn a_changed_mail_is_found_on_both_ways_and_removed() {
    let pretend = started(Fault::Spoils).await;
    let changed = "cannot find the mail as it was sent: a line was added: \"scanned by a filter\"";
    let expected = [
        format!("fetch failed: {changed}"),
        "dkim skipped: no mail was fetched".into(),
        format!("mx failed: {changed}"),
    ];
    assert_eq!(wrong(&proved(&pretend).await), expected);
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn a_lost_mail_is_missed_and_said_to_be_still_out() {
    let pretend = started(Fault::Loses).await;
    let [notice, fetch, dkim, mx, tidy] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert_eq!(notice, "notice failed: cannot notice it through IDLE: it took longer than 2 s");
    assert_eq!(fetch, "fetch failed: cannot fetch the mail from INBOX: it is not there");
    assert_eq!(dkim, "dkim skipped: no mail was fetched");
    assert_eq!(mx, "mx failed: cannot receive a mail from outside through MX: it took longer than 2 s");
    assert!(tidy.contains(": 2 taken over and not come; may yet come"), "{tidy}");
    assert_eq!(pretend.mails(), [BEFORE, MEANWHILE, MEANWHILE]);
}

#[tokio::test]
async fn a_mail_that_comes_after_its_deadline_is_removed() {
    let pretend = started(Fault::HoldsBack).await;
    let wrong = wrong(&proved(&pretend).await);
    assert!(wrong.iter().all(|wrong| !wrong.starts_with("tidy")), "{wrong:?}");
    assert_eq!((wrong.len(), pretend.mails()), (4, vec![BEFORE.to_owned()]));
}

#[tokio::test]
async fn a_mail_that_nobody_is_told_of_is_fetched_all_the_same() {
    let pretend = started(Fault::Silent).await;
    let [notice, mx] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert!(notice.starts_with("notice failed") && mx.starts_with("mx failed"), "{notice}, {mx}");
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn the_mails_of_others_are_neither_taken_for_ours_nor_removed() {
    let pretend = started(Fault::Busy).await;
    assert_eq!(wrong(&proved(&pretend).await), [""; 0]);
    assert_eq!(pretend.mails(), [BEFORE, MEANWHILE, MEANWHILE]);
}

#[tokio::test]
async fn what_could_not_be_removed_is_told() {
    let pretend = started(Fault::Keeps).await;
    let [tidy] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert_eq!(tidy, "tidy failed: cannot remove the mails from INBOX: 2 of 2 are still there");
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_nothing_up() {
    let pretend = started(Fault::Hangs).await;
    let steps: Vec<_> = wrong(&proved(&pretend).await);
    let names: Vec<_> = steps.iter().map(|step| step.split(": ").next().unwrap()).collect();
    assert_eq!(
        names,
        ["submit failed", "notice skipped", "fetch skipped", "dkim skipped", "mx failed", "refuse failed"]
    );
}

#[tokio::test]
async fn without_signing_in_nothing_is_sent() {
    let mut pretend = started(Fault::None).await;
    pretend.mailbox.password = "wrong".into();
    let proof = proved(&pretend).await;
    assert!(
        wrong(&proof)[0].ends_with(": the server answered: [AUTHENTICATIONFAILED] no"),
        "{:?}",
        wrong(&proof)[0]
    );
    assert!(hint(&proof, "sign-in").starts_with("is the password right"));
    let sending = ["submit", "notice", "fetch", "dkim", "mx"];
    let expected =
        sending.map(|name| format!("{name} skipped: what was sent could not be removed without signing in"));
    assert_eq!(wrong(&proof)[1..6], expected);
    assert_eq!(wrong(&proof)[6..], ["tidy skipped: nothing was sent"]);
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn the_certificate_of_another_authority_is_not_trusted() {
    let mut pretend = started(Fault::None).await;
    pretend.service.roots = certificates().0;
    let proof = proved(&pretend).await;
    for name in ["sign-in", "refuse", "auth"] {
        assert!(hint(&proof, name).starts_with("the certificate does not come from an authority"));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let mut pretend = started(Fault::None).await;
    pretend.service.mx.server_name = "elsewhere.test".into();
    assert!(hint(&proved(&pretend).await, "mx").starts_with("the certificate is for other names"));
}

#[tokio::test]
async fn a_closed_port_is_told_with_what_to_look_at() {
    let mut pretend = started(Fault::None).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    pretend.service.mx.port = free.local_addr().unwrap().port();
    drop(free);
    assert!(hint(&proved(&pretend).await, "mx").starts_with("nothing listens there"));
}

#[tokio::test]
async fn without_a_key_the_signature_is_not_judged() {
    let mut pretend = started(Fault::Unsigned).await;
    pretend.service.dkim = None;
    let proof = proved(&pretend).await;
    assert_eq!(wrong(&proof), ["dkim skipped: the key that should have signed it is not known here"]);
    assert!(proof.passed());
}

#[tokio::test]
async fn latency_is_measured_as_often_as_asked_for_and_nothing_is_left() {
    let pretend = started(Fault::Busy).await;
    assert_eq!(latency(&pretend.service, &pretend.mailbox, 12).await.unwrap().len(), 12);
    assert_eq!(pretend.mails().iter().filter(|mail| mail.contains("canary")).count(), 0);
}

#[tokio::test]
async fn latency_removes_its_mails_after_a_failure_too() {
    let pretend = started(Fault::Silent).await;
    let failure = latency(&pretend.service, &pretend.mailbox, 3).await.unwrap_err();
    assert_eq!(failure.because(), ["cannot notice it through IDLE", "it took longer than 2 s"]);
    assert_eq!(pretend.mails(), [BEFORE]);
}
