//! The proof against a service that does well, and against each wrong that it has to find.

#![allow(clippy::unwrap_used, reason = "allow-unwrap-in-tests does not see that this whole program is tests")]

mod http;
mod imap;
mod line;
mod pop3;
mod pretend;
mod smtp;

use std::future::pending;
use std::time::Duration;

use berth_canary::{Doors, Outcome, Proof, Tls, latency, protocols, prove};
use pretend::{Fault, Pretend, certificates};

const BEFORE: &str = "INBOX: Subject: from before";
const MEANWHILE: &str = "INBOX: Subject: meanwhile";

/// For services that never do what is waited for; the others have all the time there is, on a busy machine too.
const SHORT: Duration = Duration::from_secs(8);

async fn started(fault: Fault) -> Pretend {
    let mut pretend = Pretend::start(fault, Tls::Implicit).await;
    if matches!(fault, Fault::Loses | Fault::HoldsBack | Fault::Silent | Fault::Hangs) {
        pretend.service.deadline = SHORT;
    }
    pretend
}

async fn proved(pretend: &Pretend) -> Proof {
    let mut told = Vec::new();
    let proof = prove(&pretend.service, &pretend.mailbox, pending(), &mut |step| told.push(step.name)).await;
    assert_eq!(told, proof.steps.iter().map(|step| step.name).collect::<Vec<_>>());
    proof
}

/// The steps that are not ok, and why.
fn wrong(proof: &Proof) -> Vec<String> {
    let told = proof.steps.iter().filter_map(|step| match &step.outcome {
        Outcome::Ok | Outcome::NotOffered => None,
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
        assert_eq!(pretend.items(), [""; 0]);
        assert_eq!(proof.not_offered().count(), 0);
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
        (
            Fault::Pop3Behind,
            "pop3 failed: cannot find the mail over POP3: it is not among the newest of 1 mails there",
        ),
        (
            Fault::ApiOpen,
            "api failed: cannot see a request without a password refused: the server answered: 200 OK",
        ),
        (Fault::WebStays, "web failed: cannot sign out of the web page: /mail/INBOX still opens"),
    ];
    for (fault, why) in wrongs {
        let pretend = started(fault).await;
        assert_eq!(wrong(&proved(&pretend).await), [why]);
        assert_eq!(pretend.mails(), [BEFORE]);
    }
}

#[tokio::test]
async fn a_mail_that_programs_and_people_do_not_see_is_missed_by_both() {
    let pretend = started(Fault::PagesBehind).await;
    let [api, web] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert_eq!(api, "api failed: cannot find the mail over the API: it is not in the answer");
    assert!(
        web.starts_with("web failed: cannot find the mail on the web page: /mail/INBOX does not show"),
        "{web}"
    );
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn what_a_store_does_wrong_is_found_and_taken_away_again() {
    for (fault, calendar, contact) in [
        (
            Fault::DavForgets,
            "find it in the calendar: it is not there",
            "find it in the address book: it is not there",
        ),
        (
            Fault::DavSpoils,
            "find it as it was put: a line was \"DESCRIPTION:",
            "find it as it was put: a line was \"NOTE:",
        ),
    ] {
        let pretend = started(fault).await;
        let [first, second] = wrong(&proved(&pretend).await).try_into().unwrap();
        assert!(first.starts_with(&format!("calendar failed: cannot {calendar}")), "{first}");
        assert!(second.starts_with(&format!("contact failed: cannot {contact}")), "{second}");
        assert_eq!(pretend.items(), [""; 0]);
    }
}

#[tokio::test]
async fn what_a_store_does_not_let_go_of_is_told() {
    let pretend = started(Fault::DavKeeps).await;
    let [calendar, contact, tidy] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert_eq!(
        calendar,
        "calendar failed: cannot remove it from the calendar: the server answered: 403 Forbidden"
    );
    assert!(contact.starts_with("contact failed: cannot remove it from the address book"), "{contact}");
    assert!(tidy.starts_with("tidy failed: cannot remove it from the calendar"), "{tidy}");
    assert_eq!((pretend.items().len(), pretend.mails()), (2, vec![BEFORE.to_owned()]));
}

#[tokio::test]
async fn what_the_service_has_no_door_for_is_not_offered_and_no_failure() {
    let mut pretend = started(Fault::None).await;
    let all = std::mem::take(&mut pretend.service.doors);
    pretend.service.doors = Doors { imap: all.imap.clone(), caldav: all.caldav.clone(), ..Doors::default() };
    let proof = proved(&pretend).await;
    assert!(proof.passed(), "{:?}", wrong(&proof));
    let missing: Vec<_> = proof.not_offered().collect();
    let expected =
        ["submit", "notice", "fetch", "dkim", "mx", "pop3", "api", "web", "contact", "refuse", "auth"];
    assert_eq!(missing, expected);
    assert_eq!(wrong(&proof), ["tidy skipped: nothing is left"]);

    pretend.service.doors = Doors { imap: None, ..all };
    let proof = proved(&pretend).await;
    assert!(proof.passed(), "{:?}", wrong(&proof));
    let missing: Vec<_> = proof.not_offered().collect();
    assert_eq!(missing, ["sign-in", "submit", "notice", "fetch", "dkim", "mx"]);
    assert_eq!(wrong(&proof), ["pop3 skipped: no mail was fetched", "tidy skipped: nothing is left"]);
}

/// It was submitted, awaited for 20 s in vain, and came when somebody emptied the queue later.
#[tokio::test]
async fn nothing_is_submitted_where_it_is_not_carried_on() {
    let mut pretend = started(Fault::None).await;
    pretend.service.delivers = false;
    let proof = proved(&pretend).await;
    assert!(proof.passed(), "{:?}", wrong(&proof));
    let missing: Vec<_> = proof.not_offered().collect();
    assert_eq!(missing, ["submit", "notice", "fetch", "dkim"]);
    let went = |name: &str| proof.steps.iter().find(|step| step.name == name).unwrap().outcome.clone();
    assert_eq!([went("mx"), went("auth"), went("tidy")], [Outcome::Ok, Outcome::Ok, Outcome::Ok]);
}

#[tokio::test]
async fn doors_are_proved_without_a_mailbox_and_nothing_is_sent() {
    for tls in [Tls::Implicit, Tls::StartTls] {
        let pretend = Pretend::start(Fault::None, tls).await;
        let proof = protocols(&pretend.service, pending(), &mut |_| ()).await;
        assert_eq!(wrong(&proof), [""; 0]);
        assert_eq!((proof.steps.len(), pretend.mails()), (9, vec![BEFORE.to_owned()]));
    }
    let mut pretend = started(Fault::Relays).await;
    pretend.service.doors.pop3.as_mut().unwrap().server_name = "elsewhere.test".into();
    let proof = protocols(&pretend.service, pending(), &mut |_| ()).await;
    let [pop3, refuse] = wrong(&proof).try_into().unwrap();
    assert!(pop3.starts_with("pop3-door failed: cannot connect to POP3 at 127.0.0.1:"), "{pop3}");
    assert!(hint(&proof, "pop3-door").starts_with("the certificate is for other names"));
    assert!(refuse.starts_with("refuse failed: cannot see a mail to another domain refused"), "{refuse}");
}

/// The published application has one until somebody may sign in; its page was taken for broken.
#[tokio::test]
async fn a_password_that_is_asked_for_before_every_page_is_an_answer() {
    let gate = started(Fault::Gate).await;
    let proof = protocols(&gate.service, pending(), &mut |_| ()).await;
    assert_eq!(wrong(&proof), [""; 0]);
    let locked = started(Fault::Locked).await;
    let proof = protocols(&locked.service, pending(), &mut |_| ()).await;
    assert!(wrong(&proof)[0].starts_with("web-door failed"), "{:?}", wrong(&proof));
}

/// Somebody wants an end while the proof waits for a mail: what it has sent is taken away all the same.
#[tokio::test]
async fn an_interrupted_proof_takes_away_what_it_has_made() {
    let pretend = Pretend::start(Fault::Silent, Tls::Implicit).await;
    let (said, heard) = tokio::sync::oneshot::channel();
    let mut said = Some(said);
    let stop = async { heard.await.unwrap() };
    let mut told = |step: &berth_canary::Step| {
        if step.name == "submit" {
            said.take().unwrap().send(()).unwrap();
        }
    };
    let proof = prove(&pretend.service, &pretend.mailbox, stop, &mut told).await;
    let wrong = wrong(&proof);
    assert_eq!(wrong[0], "notice failed: cannot notice it through IDLE: it was interrupted");
    assert!(
        wrong[1..].iter().all(|wrong| wrong.ends_with(" skipped: it was interrupted")
            || wrong == "dkim skipped: no mail was fetched"
            || wrong == "pop3 skipped: no mail was fetched"),
        "{wrong:?}"
    );
    assert!(!proof.passed() && proof.steps.last().unwrap().outcome == Outcome::Ok, "{proof:?}");
    assert_eq!(pretend.mails(), [BEFORE]);
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
        "pop3 skipped: no mail was fetched".into(),
    ];
    assert_eq!(wrong(&proved(&pretend).await), expected);
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn a_lost_mail_is_missed_and_said_to_be_still_out() {
    let pretend = started(Fault::Loses).await;
    let [notice, fetch, dkim, mx, pop3, tidy] = wrong(&proved(&pretend).await).try_into().unwrap();
    assert_eq!(notice, "notice failed: cannot notice it through IDLE: it took longer than 8 s");
    assert_eq!(fetch, "fetch failed: cannot fetch the mail from INBOX: it is not there");
    assert_eq!([dkim, pop3], ["dkim", "pop3"].map(|name| format!("{name} skipped: no mail was fetched")));
    assert_eq!(mx, "mx failed: cannot receive a mail from outside through MX: it took longer than 8 s");
    assert!(tidy.contains(": 2 taken over and not come; may yet come"), "{tidy}");
    assert_eq!(pretend.mails(), [BEFORE, MEANWHILE, MEANWHILE]);
}

#[tokio::test]
async fn a_mail_that_comes_after_its_deadline_is_removed() {
    let pretend = started(Fault::HoldsBack).await;
    let wrong = wrong(&proved(&pretend).await);
    assert!(wrong.iter().all(|wrong| !wrong.starts_with("tidy")), "{wrong:?}");
    assert_eq!((wrong.len(), pretend.mails()), (5, vec![BEFORE.to_owned()]));
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
        [
            "submit failed",
            "notice skipped",
            "fetch skipped",
            "dkim skipped",
            "mx failed",
            "pop3 skipped",
            "refuse failed"
        ]
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
    // Its 401 was taken for a reply of SMTP that begins with 4.
    assert!(hint(&proof, "web").starts_with("is the password right"), "{}", hint(&proof, "web"));
    let sending = ["submit", "notice", "fetch", "dkim", "mx"];
    let expected =
        sending.map(|name| format!("{name} skipped: what was sent could not be removed without signing in"));
    assert_eq!(wrong(&proof)[1..6], expected);
    let rest = &wrong(&proof)[6..];
    let doors = rest.iter().map(|wrong| wrong.split(": ").next().unwrap()).collect::<Vec<_>>();
    let expected =
        ["pop3 skipped", "api failed", "web failed", "calendar failed", "contact failed", "tidy skipped"];
    assert_eq!(doors, expected);
    assert_eq!(pretend.mails(), [BEFORE]);
}

#[tokio::test]
async fn the_certificate_of_another_authority_is_not_trusted() {
    let mut pretend = started(Fault::None).await;
    pretend.service.roots = certificates().0;
    let proof = proved(&pretend).await;
    for name in ["sign-in", "refuse", "auth", "api", "web", "calendar", "contact"] {
        assert!(hint(&proof, name).starts_with("the certificate does not come from an authority"));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let mut pretend = started(Fault::None).await;
    pretend.service.doors.mx.as_mut().unwrap().server_name = "elsewhere.test".into();
    assert!(hint(&proved(&pretend).await, "mx").starts_with("the certificate is for other names"));
}

#[tokio::test]
async fn a_closed_port_is_told_with_what_to_look_at() {
    let mut pretend = started(Fault::None).await;
    // Bound, so that nobody else gets it, and never listened on.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    pretend.service.doors.mx.as_mut().unwrap().port = closed.local_addr().unwrap().port();
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
    assert_eq!(latency(&pretend.service, &pretend.mailbox, 12, pending()).await.unwrap().len(), 12);
    assert_eq!(pretend.mails().iter().filter(|mail| mail.contains("canary")).count(), 0);
}

#[tokio::test]
async fn latency_removes_its_mails_after_a_failure_too() {
    let pretend = started(Fault::Silent).await;
    let failure = latency(&pretend.service, &pretend.mailbox, 3, pending()).await.unwrap_err();
    assert_eq!(failure.because(), ["cannot notice it through IDLE", "it took longer than 8 s"]);
    assert_eq!(pretend.mails(), [BEFORE]);
}
