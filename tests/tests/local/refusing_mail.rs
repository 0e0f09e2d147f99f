//! What should not go through does not.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::clients::{swaks_from_outside, swaks_submits};
use crate::service::{Ran, Service, User, have};

/// swaks' exit codes: no answer that it could use after RCPT, AUTH, MAIL.
const NO_RECIPIENT: Option<i32> = Some(24);
const NO_LOGIN: Option<i32> = Some(28);
const NO_SENDER: Option<i32> = Some(23);

fn refused(swaks: &mut Command, code: Option<i32>, answer: &str) {
    let ran = Ran::of(&swaks.output().unwrap());
    assert_eq!(ran.code, code, "{ran:#?}");
    assert!(ran.out.contains(answer) || ran.err.contains(answer), "no {answer}: {ran:#?}");
}

#[test]
fn unknown_recipients_relaying_and_strangers_are_refused() {
    if !have(&["swaks", "curl"]) {
        return;
    }
    let service = Service::up();
    let (ada, bob) = (service.user("ada"), service.user("bob"));

    refused(swaks_from_outside(&service).args(["--to", "nobody@example.test"]), NO_RECIPIENT, "550 5.1.1");
    refused(
        swaks_from_outside(&service).args(["--to", "someone@elsewhere.invalid"]),
        NO_RECIPIENT,
        "550 5.7.1",
    );

    let stranger = User { address: ada.address.clone(), password: "wrong".to_owned() };
    refused(swaks_submits(&service, &stranger).args(["--to", &bob.address]), NO_LOGIN, "535 5.7.8");
    // Without a login nothing is taken at the submission port.
    let mut anonymous = service.case.command("swaks");
    anonymous.args(["--server", &service.door("smtp"), "--tls-on-connect", "--from", &ada.address]);
    refused(anonymous.args(["--to", &bob.address]), NO_SENDER, "530 5.7.0");
    // Who is logged in sends under his own name only.
    let forged = ["--from", &bob.address, "--to", &bob.address];
    refused(swaks_submits(&service, &ada).args(forged), NO_SENDER, "553 5.7.1");

    let mut curl = service.case.command("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--cacert",
        &service.authority(),
        "--user",
        &stranger.credentials(),
    ]);
    let ran = Ran::of(&curl.arg(format!("imaps://{}/INBOX", service.door("imap"))).output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (Some(67), ""), "{ran:#?}");

    auth_is_not_offered_without_tls(&service);
    service.down();
}

/// RFC 4954 section 4: not where the password could be read on the way. MX takes none at all.
fn auth_is_not_offered_without_tls(service: &Service) {
    for tls in [&[][..], &["--tls"]] {
        let mut swaks = service.case.command("swaks");
        let ran = Ran::of(
            &swaks
                .args(["--server", &service.door("mx"), "--quit-after", "EHLO"])
                .args(tls)
                .output()
                .unwrap(),
        );
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.out.contains("250") && !ran.out.contains("AUTH"), "{ran:#?}");
        assert!(ran.out.contains("STARTTLS"), "{ran:#?}");
    }
    // Submission and IMAP speak TLS from the first byte: they say nothing before it.
    for role in ["smtp", "imap"] {
        let mut stream = TcpStream::connect(service.door(role)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut said = [0; 64];
        let read = stream.read(&mut said);
        assert!(read.is_err(), "{role} said {:?}", String::from_utf8_lossy(&said));
    }
}
