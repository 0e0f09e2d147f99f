//! SMTP, IMAP and POP3 with services that answer rightly.

use berth_role::Check::{self, Imap, Pop3, Smtp};
use berth_role::TlsMode::{self, Implicit, None, StartTls};

use crate::service::*;

async fn is_good(script: &'static [Act], check: Check, tls: TlsMode) -> String {
    let service = Service::start(script).await;
    let answer = service.check(check, tls).await.unwrap();
    service.left_in_peace().await;
    answer.said
}

#[tokio::test]
async fn smtp_greets_and_starts_tls() {
    const SCRIPT: &[Act] = &[
        Say("220-mail.example.test\n220 ESMTP\n"),
        Hear("EHLO [127.0.0.1]"),
        Say("250-mail.example.test\n250-SIZE 1\n250 STARTTLS\n"),
        Hear("STARTTLS"),
        Say("220 go\n"),
        Secure,
        Hear("EHLO "),
        Say("250 mail.example.test\n"),
        Hear("QUIT"),
        Say("221 Bye\n"),
    ];
    assert_eq!(is_good(SCRIPT, Smtp, StartTls).await, "220-mail.example.test (TLSv1_3)");
}

/// It once ended the one who asked.
#[tokio::test]
async fn smtp_may_end_its_list_of_extensions_with_a_code_alone() {
    const SCRIPT: &[Act] =
        &[Say("220\n"), Hear("EHLO "), Say("250-mail.example.test\n250\n"), Hear("QUIT"), Say("221\n")];
    assert_eq!(is_good(SCRIPT, Smtp, StartTls).await, "220");
}

#[tokio::test]
async fn smtp_without_starttls_is_still_smtp() {
    const SCRIPT: &[Act] = &[
        Say("220 ESMTP\n"),
        Hear("EHLO "),
        // The first line is the service's name, not an extension.
        Say("250-STARTTLS\n250 SIZE\n"),
        Hear("QUIT"),
        Say("221 Bye\n"),
    ];
    assert_eq!(is_good(SCRIPT, Smtp, StartTls).await, "220 ESMTP");
}

#[tokio::test]
async fn smtp_over_tls_does_not_start_it_again() {
    const SCRIPT: &[Act] = &[
        Secure,
        Say("220 ESMTP\n"),
        Hear("EHLO "),
        Say("250-mail\n250 STARTTLS\n"),
        Hear("QUIT"),
        Say("221 Bye\n"),
    ];
    assert_eq!(is_good(SCRIPT, Smtp, Implicit).await, "220 ESMTP (TLSv1_3)");
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte() {
    const SCRIPT: &[Act] =
        &[Drip("220 ESMTP\n"), Hear("EHLO "), Drip("250-mail\n250 HELP\n"), Hear("QUIT"), Drip("221 Bye\n")];
    assert_eq!(is_good(SCRIPT, Smtp, None).await, "220 ESMTP");
}

#[tokio::test]
async fn imap_greets_and_starts_tls() {
    const SCRIPT: &[Act] = &[
        Say("* OK ready\n"),
        Hear("a1 CAPABILITY"),
        Say("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\na1 OK done\n"),
        Hear("a2 STARTTLS"),
        Say("a2 OK go\n"),
        Secure,
        Hear("a3 CAPABILITY"),
        Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN\na3 ok done\n"),
        Hear("a4 LOGOUT"),
        Say("* BYE\na4 OK done\n"),
    ];
    assert_eq!(is_good(SCRIPT, Imap, StartTls).await, "* OK ready (TLSv1_3)");
}

#[tokio::test]
async fn imap_over_tls_does_not_start_it_again() {
    const SCRIPT: &[Act] = &[
        Secure,
        Say("* OK ready\n"),
        Hear("a1 CAPABILITY"),
        Say("* CAPABILITY IMAP4rev2 STARTTLS\na1 OK done\n"),
        Hear("a4 LOGOUT"),
        Say("* BYE\na4 OK done\n"),
    ];
    assert_eq!(is_good(SCRIPT, Imap, Implicit).await, "* OK ready (TLSv1_3)");
}

#[tokio::test]
async fn pop3_greets_and_starts_tls() {
    const SCRIPT: &[Act] = &[
        Say("+OK ready\n"),
        Hear("CAPA"),
        Say("+OK\nUIDL\nSTLS\n.\n"),
        Hear("STLS"),
        Say("+OK go\n"),
        Secure,
        Hear("QUIT"),
        Say("+OK Bye\n"),
    ];
    assert_eq!(is_good(SCRIPT, Pop3, StartTls).await, "+OK ready (TLSv1_3)");
}

#[tokio::test]
async fn pop3_need_not_know_capa() {
    const SCRIPT: &[Act] =
        &[Say("+OK ready\n"), Hear("CAPA"), Say("-ERR what?\n"), Hear("QUIT"), Say("+OK\n")];
    assert_eq!(is_good(SCRIPT, Pop3, StartTls).await, "+OK ready");
}

#[tokio::test]
async fn pop3_over_tls_does_not_start_it_again() {
    const SCRIPT: &[Act] =
        &[Secure, Say("+OK ready\n"), Hear("CAPA"), Say("+OK\nSTLS\n.\n"), Hear("QUIT"), Say("+OK\n")];
    assert_eq!(is_good(SCRIPT, Pop3, Implicit).await, "+OK ready (TLSv1_3)");
}
