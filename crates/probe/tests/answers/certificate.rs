//! The certificate that is served is valid now, and the one on disk.

use std::fmt::Write;

use berth_probe::{Answer, Fault, ProbeError};
use berth_role::Check::{Certificate, Imap};
use berth_role::TlsMode::{Implicit, None, StartTls};
use rustls::pki_types::CertificateDer;
use tempfile::NamedTempFile;

use crate::service::*;

const TLS: &[Act] = &[Secure, Wait];

/// A file with these certificates, as `openssl` writes it (RFC 7468).
fn file(chain: &[CertificateDer<'_>]) -> NamedTempFile {
    use base64::prelude::*;
    let mut text = String::new();
    for certificate in chain {
        let body = BASE64_STANDARD.encode(certificate);
        writeln!(text, "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----").unwrap();
    }
    let file = NamedTempFile::new().unwrap();
    fs_err::write(file.path(), text).unwrap();
    file
}

async fn compared(served: &Issued, held: &[CertificateDer<'_>]) -> Result<Answer, ProbeError> {
    let file = file(held);
    let service = Service::start_with(TLS, served).await;
    let target = service.target(Implicit).with_certificate(file.path());
    client().check(Certificate, &target, &PATIENT).await
}

#[tokio::test]
async fn a_valid_certificate_says_for_how_long() {
    let service = Service::start_with(TLS, &Issued::on((2020, 2090))).await;
    let said = service.check(Certificate, Implicit).await.unwrap().said;
    assert!(said.starts_with("certificate valid for ") && said.ends_with(" days"), "{said}");
    service.left_in_peace().await;
}

#[tokio::test]
async fn an_old_and_a_coming_certificate_are_told_apart() {
    let error = Service::start_with(TLS, &Issued::on((2020, 2021))).await;
    let error = error.check(Certificate, Implicit).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Expired(_)), "{error}");
    let error = Service::start_with(TLS, &Issued::on((2089, 2090))).await;
    let error = error.check(Certificate, Implicit).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotYetValid(_)), "{error}");
}

#[tokio::test]
async fn the_certificate_on_disk_is_the_one_that_is_served() {
    let (served, other) = (Issued::on((2020, 2090)), Issued::on((2020, 2090)));
    compared(&served, &served.chain).await.unwrap();
    // More than the file holds is no fault.
    compared(&served, &served.chain[..1]).await.unwrap();
    let error = compared(&served, &other.chain).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Differs(_)), "{error}");
}

#[tokio::test]
async fn the_whole_chain_is_served() {
    let mut served = Issued::on((2020, 2090));
    let held = served.chain.clone();
    served.chain.truncate(1);
    let error = compared(&served, &held).await.unwrap_err();
    assert!(error.to_string().contains("1 of the 2 certificates in "), "{error}");
}

#[tokio::test]
async fn a_file_without_certificates_is_told_by_name() {
    let error = compared(&Issued::on((2020, 2090)), &[]).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Differs(_) | Fault::File(..)), "{error}");
    let service = Service::start(TLS).await;
    let target = service.target(Implicit).with_certificate("/nonexistent/fullchain.pem");
    let error = client().check(Certificate, &target, &PATIENT).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot read the certificates in /nonexistent/fullchain.pem"),
        "{error}"
    );
}

#[tokio::test]
async fn it_is_found_behind_starttls_in_each_protocol() {
    const SMTP: &[Act] = &[
        Say("220 ESMTP\n"),
        Hear("EHLO"),
        Say("250-mail\n250 starttls\n"),
        Hear("STARTTLS"),
        Say("220 go\n"),
        Secure,
        Hear("EHLO"),
        Say("250 mail\n"),
        Hear("QUIT"),
        Say("221 Bye\n"),
    ];
    const POP3: &[Act] = &[
        Say("+OK hi\n"),
        Hear("CAPA"),
        Say("+OK\nSTLS\n.\n"),
        Hear("STLS"),
        Say("+OK go\n"),
        Secure,
        Hear("QUIT"),
        Say("+OK Bye\n"),
    ];
    const IMAP: &[Act] = &[
        Say("* OK hi\n"),
        Hear("a1"),
        Say("* CAPABILITY IMAP4rev1 STARTTLS\na1 OK\n"),
        Hear("a2"),
        Say("a2 OK\n"),
        Secure,
        Hear("a3"),
        Say("* CAPABILITY IMAP4rev1\na3 OK\n"),
        Hear("a4"),
        Say("* BYE\na4 OK\n"),
    ];
    for script in [SMTP, POP3, IMAP] {
        let service = Service::start(script).await;
        service.check(Certificate, StartTls).await.unwrap();
        service.left_in_peace().await;
    }
}

#[tokio::test]
async fn without_tls_there_is_nothing_to_judge_unless_it_was_expected() {
    const SMTP: &[Act] =
        &[Say("220 ESMTP\n"), Hear("EHLO"), Say("250 mail\n"), Hear("QUIT"), Say("221 Bye\n")];
    let service = Service::start(&[Wait]).await;
    assert_eq!(service.check(Certificate, None).await.unwrap().said, "no TLS on this port");
    let error = Service::start(SMTP).await.check(Certificate, StartTls).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NoStartTls), "{error}");
    let error = Service::start(&[Say("HELO\n"), Wait]).await.check(Certificate, StartTls).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Unsupported(_)), "{error}");
}

/// The service takes one connection only.
#[tokio::test]
async fn one_connection_answers_for_the_protocol_and_the_certificate() {
    const SCRIPT: &[Act] = &[
        Secure,
        Say("* OK hi\n"),
        Hear("a1"),
        Say("* CAPABILITY IMAP4rev1\na1 OK\n"),
        Hear("a4"),
        Say("* BYE\na4 OK\n"),
    ];
    let service = Service::start(SCRIPT).await;
    let answers =
        client().check_all(&[Imap, Certificate], &service.target(Implicit), &PATIENT).await.unwrap();
    assert_eq!(answers.len(), 2);
    service.left_in_peace().await;
    let service = Service::start_with(SCRIPT, &Issued::on((2020, 2021))).await;
    let error =
        client().check_all(&[Imap, Certificate], &service.target(Implicit), &PATIENT).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Expired(_)), "{error}");
}
