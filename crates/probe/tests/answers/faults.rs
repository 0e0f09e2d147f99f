//! Services that answer wrongly or not at all: the check ends, and says at which step and why.

use std::error::Error;

use berth_probe::{Fault, Patience, ProbeError, Target};
use berth_role::Check::{self, Imap, Pop3, Smtp, Tcp};
use berth_role::TlsMode::{self, Implicit, None, StartTls};
use tokio::time::timeout;

use crate::service::*;

const GET: Check = Check::Http { path: "/", statuses: &[200] };

async fn fault(script: &'static [Act], check: Check, tls: TlsMode) -> ProbeError {
    Service::start(script).await.check(check, tls).await.unwrap_err()
}

async fn hasty(script: &'static [Act], check: Check, tls: TlsMode) -> ProbeError {
    let service = Service::start(script).await;
    // The whole check may take longer than this: it is the step that must end.
    timeout(HASTY.whole / 2, client().check(check, &service.target(tls), &HASTY)).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_wrong_greeting_is_told_with_what_was_read() {
    let error = fault(&[Say("421 try again later\n"), Wait], Smtp, None).await;
    assert!(matches!(error.fault, Fault::Wrong(_)));
    assert_eq!((error.step, error.read.as_str()), ("greeting", "421 try again later"));
    let error = fault(&[Say("* BYE not today\n"), Wait], Imap, None).await;
    assert_eq!((error.step, error.read.as_str()), ("greeting", "* BYE not today"));
    let error = fault(&[Say("-ERR not today\n"), Wait], Pop3, None).await;
    assert_eq!((error.step, error.read.as_str()), ("greeting", "-ERR not today"));
    // A code is three digits and then a space, a hyphen or nothing.
    let error = fault(&[Say("2200 ESMTP\n"), Wait], Smtp, None).await;
    assert!(matches!(error.fault, Fault::Wrong(_)));
}

#[tokio::test]
async fn a_later_refusal_names_its_step() {
    let error = fault(&[Say("220 ESMTP\n"), Hear("EHLO"), Say("502 what?\n"), Wait], Smtp, None).await;
    assert_eq!((error.step, error.read.as_str()), ("EHLO", "502 what?"));
    let error = fault(&[Say("* OK\u{20}\n"), Wait], Imap, None).await;
    assert_eq!(error.step, "greeting", "a greeting has a text (RFC 9051 section 7.1)");
    let error = fault(&[Say("* OK hi\n"), Hear("a1"), Say("a1 BAD what?\n"), Wait], Imap, None).await;
    assert!(matches!(error.fault, Fault::Wrong(_)), "{error}");
    assert_eq!((error.step, error.read.as_str()), ("CAPABILITY", "a1 BAD what?"));
    let error =
        fault(&[Say("* OK hi\n"), Hear("a1"), Say("* CAPABILITY X\na1 OK\n"), Wait], Imap, None).await;
    assert!(error.to_string().contains("expected IMAP4rev1 or IMAP4rev2"), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_of_the_step() {
    for check in [Smtp, Imap, Pop3] {
        let error = hasty(&[Wait], check, None).await;
        assert!(matches!(error.fault, Fault::Deadline), "{error}");
        assert_eq!((error.step, error.read.as_str()), ("greeting", ""));
    }
    let error = hasty(&[Wait], GET, None).await;
    assert!(matches!(error.fault, Fault::Deadline), "{error}");
}

#[tokio::test]
async fn a_step_is_not_stretched_by_one_line_after_the_other() {
    let error = hasty(&[Trickle("220-more\r\n")], Smtp, None).await;
    assert!(matches!(error.fault, Fault::Deadline), "{error}");
    assert!(error.read.starts_with("220-more"), "{error}");
}

#[tokio::test]
async fn all_steps_together_have_a_deadline_too() {
    let service = Service::start(&[Say("220 ESMTP\n"), Hear("EHLO"), Wait]).await;
    let (patience, target) = (Patience { whole: HASTY.step, ..PATIENT }, service.target(None));
    let error =
        timeout(PATIENT.step / 2, client().check(Smtp, &target, &patience)).await.unwrap().unwrap_err();
    assert!(matches!(error.fault, Fault::Deadline), "{error}");
}

#[tokio::test]
async fn what_comes_without_end_is_cut() {
    for (flood, check) in [("x", Smtp), ("220-more\r\n", Smtp), ("* OK", Imap), ("+OK", Pop3), ("H", GET)] {
        let script: &'static [Act] = Box::leak(Box::new([Flood(flood)]));
        let error = fault(script, check, None).await;
        assert!(matches!(error.fault, Fault::Endless | Fault::Wrong(_)), "{error}");
        assert!(error.read.len() <= 120, "{}", error.read.len());
    }
    let error = fault(&[Flood("220-more\r\n")], Smtp, None).await;
    assert!(matches!(error.fault, Fault::Endless), "{error}");
}

#[tokio::test]
async fn a_service_that_hangs_up_is_told_so() {
    for (check, tls) in [(Smtp, None), (Imap, Implicit), (Pop3, None), (GET, None), (GET, Implicit)] {
        let error = fault(&[], check, tls).await;
        assert!(matches!(error.fault, Fault::Closed | Fault::Broke(_)), "{error}");
    }
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_no_tls() {
    let error = fault(&[Say("* OK ready\n"), Wait], Imap, Implicit).await;
    assert!(matches!(error.fault, Fault::NotTls(_)), "{error}");
    assert_eq!(error.step, "TLS handshake");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_tls_port_stays_silent_to_plain_text() {
    let error = hasty(&[Secure], Smtp, StartTls).await;
    assert!(matches!(error.fault, Fault::Deadline), "{error}");
    // One that speaks at once, it hangs up on.
    let error = fault(&[Secure], GET, None).await;
    assert!(matches!(error.fault, Fault::Closed | Fault::Broke(_) | Fault::Wrong(_)), "{error}");
}

#[tokio::test]
async fn text_before_the_handshake_is_refused() {
    const SCRIPT: &[Act] = &[
        Say("220 ESMTP\n"),
        Hear("EHLO"),
        Say("250-mail\n250 STARTTLS\n"),
        Hear("STARTTLS"),
        Say("220 go\n250 injected\n"),
        Wait,
    ];
    let error = fault(SCRIPT, Smtp, StartTls).await;
    assert!(matches!(error.fault, Fault::Injected), "{error}");
}

#[tokio::test]
async fn unprintable_bytes_are_shown_as_dots() {
    let error = fault(&[Say("\u{1b}[31m\u{7}\n"), Wait], Smtp, None).await;
    assert_eq!(error.read, ".[31m.");
}

#[tokio::test]
async fn nobody_listens() {
    let (_kept, port) = nobody();
    let target = Target::new("127.0.0.1", port, None);
    let error = client().check(Tcp, &target, &PATIENT).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Connect(_)), "{error}");
    assert_eq!(error.step, "connect");
    assert!(error.source().unwrap().to_string().contains("refused"));
}

#[tokio::test]
async fn a_port_that_accepts_is_open() {
    let service = Service::start(&[Wait]).await;
    assert_eq!(service.check(Tcp, None).await.unwrap().said, "connected");
    service.left_in_peace().await;
}

#[tokio::test]
async fn what_cannot_be_a_server_name_is_refused() {
    let service = Service::start(&[Wait]).await;
    let target = service.target(Implicit).named("no name");
    let error = client().check(Imap, &target, &PATIENT).await.unwrap_err();
    assert!(error.to_string().contains("\"no name\" is no server name"), "{error}");
}
