//! Key-value stores: in, refused, not yet ready; and what is never told.

use berth_probe::{Answer, Fault, KeyValue, ProbeError};
use berth_role::TlsMode::None;

use crate::service::*;

const SECRET: &str = "hunter2";

/// What follows once nobody has to log in any more.
const IN: &[Act] = &[
    Hear("*1"),
    Hear("$4"),
    Hear("PING"),
    Say("+PONG\n"),
    Hear("*1"),
    Hear("$4"),
    Hear("QUIT"),
    Say("+OK\n"),
];

async fn ping(script: &'static [Act], user: &str, password: &str) -> Result<Answer, ProbeError> {
    let service = Service::start(script).await;
    let store =
        KeyValue { target: service.target(None), user: user.to_owned(), password: password.to_owned() };
    let answer = client().ping(&store, &PATIENT).await;
    if answer.is_ok() {
        service.left_in_peace().await;
    }
    answer
}

/// The error after AUTH was answered so.
async fn refused(script: &'static [Act]) -> ProbeError {
    let error = ping(script, "joe", SECRET).await.unwrap_err();
    assert_eq!(error.step, "AUTH");
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

#[tokio::test]
async fn a_user_and_a_password_go_in_as_counted_bytes() {
    let user = [Hear("*3"), Hear("$4"), Hear("AUTH"), Hear("$5"), Hear("jo\u{e9}e")];
    let script = [&user[..], &[Hear("$7"), Hear(SECRET), Say("+OK\n")], IN].concat();
    assert_eq!(ping(script.leak(), "jo\u{e9}e", SECRET).await.unwrap().said, "PONG");
}

#[tokio::test]
async fn without_a_password_nobody_logs_in() {
    const GUARDED: &[Act] =
        &[Hear("*1"), Hear("$4"), Hear("PING"), Say("-NOAUTH Authentication required.\n"), Wait];
    ping(IN, "joe", "").await.unwrap();
    let error = ping(GUARDED, "", "").await.unwrap_err();
    assert!(matches!(error.fault, Fault::Refused), "{error}");
    assert_eq!((error.step, error.read.as_str()), ("PING", "-NOAUTH Authentication required."));
}

/// As ioredis takes it, with a warning.
#[tokio::test]
async fn a_password_too_many_is_no_fault() {
    const SINCE_REDIS_6: &str = "-ERR AUTH <password> called without any password configured for the default user. \
        Are you sure your configuration is correct?\n";
    for said in [SINCE_REDIS_6, "-ERR Client sent AUTH, but no password is set\n"] {
        let login = [Hear("*2"), Hear("$4"), Hear("AUTH"), Hear("$7"), Hear(SECRET), Say(said)];
        ping([&login[..], IN].concat().leak(), "", SECRET).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_from_a_wrong_server() {
    const OLD: &[Act] = &[Hear("*3"), Say("-ERR invalid password\n"), Wait];
    const WRONG: &[Act] =
        &[Hear("*3"), Say("-WRONGPASS invalid username-password pair or user is disabled.\n"), Wait];
    let error = refused(WRONG).await;
    assert!(matches!(error.fault, Fault::Refused), "{error}");
    assert_eq!(error.read, "-WRONGPASS");
    assert!(matches!(refused(OLD).await.fault, Fault::Refused));
}

/// A server that repeats what it does not understand: Redis 5 does, and every mail server.
#[tokio::test]
async fn a_server_that_repeats_the_password_does_not_get_it_into_the_error() {
    const REDIS: &[Act] = &[
        Hear("*3"),
        Say("-ERR unknown command `AUTH`, with args beginning with: `joe`, `hunter2`,\n"),
        Wait,
    ];
    const MAIL: &[Act] = &[Hear("*3"), Say("500 unknown command AUTH joe hunter2\n"), Wait];
    const ECHO: &[Act] = &[Hear("*3"), Say("hunter2\n"), Wait];
    const MINUS: &[Act] = &[Hear("*3"), Say("-hunter2\n"), Wait];
    for (script, shown) in [(REDIS, "-ERR"), (MAIL, ""), (ECHO, ""), (MINUS, "")] {
        let error = refused(script).await;
        assert!(matches!(error.fault, Fault::Wrong(_)), "{error}");
        assert_eq!(error.read, shown);
    }
}

#[tokio::test]
async fn a_store_that_loads_is_not_there_yet() {
    const SCRIPT: &[Act] = &[Hear("*1"), Say("-LOADING Redis is loading the dataset in memory\n"), Wait];
    let error = ping(SCRIPT, "", "").await.unwrap_err();
    assert_eq!(error.step, "PING");
    assert!(error.to_string().contains("expected +PONG") && error.read.starts_with("-LOADING"), "{error}");
}
