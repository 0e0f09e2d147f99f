//! A sign of life is any byte or a finished handshake, and nothing less.

use std::time::Duration;

use berth_probe::{Fault, ProbeError};
use berth_role::TlsMode::{self, Implicit, None, StartTls};

use crate::service::*;

async fn lives(script: &'static [Act], tls: TlsMode) {
    let service = Service::start(script).await;
    client().live(&service.target(tls), PATIENT.whole).await.unwrap();
    service.left_in_peace().await;
}

async fn is_dead(script: &'static [Act], tls: TlsMode, within: Duration) -> ProbeError {
    let service = Service::start(script).await;
    client().live(&service.target(tls), within).await.unwrap_err()
}

#[tokio::test]
async fn a_421_is_a_sign_of_life() {
    lives(&[Say("421 not now\n"), Hear("QUIT")], StartTls).await;
}

#[tokio::test]
async fn a_greeting_is_answered_with_a_goodbye_in_its_own_tongue() {
    lives(&[Say("* OK hi\n"), Hear("a0 LOGOUT"), Say("* BYE\na0 OK\n")], StartTls).await;
    lives(&[Say("+OK hi\n"), Hear("QUIT"), Say("+OK\n")], StartTls).await;
}

#[tokio::test]
async fn a_handshake_is_a_sign_of_life_and_ends_well() {
    lives(&[Secure, Say("* OK never read\n"), Wait], Implicit).await;
}

#[tokio::test]
async fn even_a_wrong_answer_is_a_sign_of_life() {
    let service = Service::start(&[Say("* OK I speak no TLS\n"), Wait]).await;
    client().live(&service.target(Implicit), PATIENT.whole).await.unwrap();
}

#[tokio::test]
async fn any_byte_of_http_is_a_sign_of_life() {
    lives(&[Head("GET / ", "\nUpgrade: websocket\n"), Say("HTTP/1.1 500 Oh\n\n")], None).await;
}

#[tokio::test]
async fn silence_and_hanging_up_are_not() {
    for tls in [None, StartTls, Implicit] {
        let error = is_dead(&[Wait], tls, HASTY.step).await;
        assert!(matches!(error.fault, Fault::Deadline), "{error}");
    }
    for tls in [StartTls, Implicit] {
        let error = is_dead(&[], tls, PATIENT.whole).await;
        assert!(matches!(error.fault, Fault::Closed | Fault::Broke(_)), "{error}");
    }
}
