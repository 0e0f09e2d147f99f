//! Document stores: primaries and others, and logins that fail on either side.

use std::net::Ipv4Addr;

use berth_probe::{Answer, Documents, Fault, ProbeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::service::{PATIENT, client, nobody};
use crate::stores::Bson::{Double, Flag, List};
use crate::stores::{PASSWORD, Scram, USER, message, primary, refusal, step};

/// What answers a request; the server's side of the login goes along.
type Reply = fn(&mut Scram, &[u8]) -> Vec<u8>;

const HELLO: Reply = |_, _| primary();
const CHALLENGE: Reply = Scram::challenge;
const VERDICT: Reply = |scram, request| scram.verdict(request, true);

/// A store for one connection; gives the number of requests that it took.
async fn store(replies: &'static [Reply]) -> (u16, JoinHandle<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut scram = Scram::default();
        let mut taken = 0;
        while let Ok(length) = stream.read_i32_le().await {
            let mut request = vec![0; usize::try_from(length).unwrap() - 4];
            stream.read_exact(&mut request).await.unwrap();
            taken += 1;
            let Some(reply) = replies.get(taken - 1) else { break };
            stream.write_all(&reply(&mut scram, &request)).await.unwrap();
        }
        taken
    });
    (port, served)
}

async fn log_in(replies: &'static [Reply], password: &str) -> Result<Answer, ProbeError> {
    let (port, served) = store(replies).await;
    let uri = format!("mongodb://{USER}:{password}@127.0.0.1:{port}/?replicaSet=rs0");
    let answer = client().log_in(&Documents::parse(&uri).unwrap(), &PATIENT).await;
    assert_eq!(served.await.unwrap(), replies.len(), "every reply was asked for, and no more");
    answer
}

async fn hello(replies: &'static [Reply], options: &str) -> Result<Answer, ProbeError> {
    let (port, served) = store(replies).await;
    let uri = format!("mongodb://{USER}:{PASSWORD}@127.0.0.1:{port}/?{options}");
    let answer = client().hello(&Documents::parse(&uri).unwrap(), &PATIENT).await;
    assert_eq!(served.await.unwrap(), 1);
    answer
}

#[tokio::test]
async fn whoever_knows_the_password_is_let_in() {
    let answer = log_in(&[HELLO, CHALLENGE, VERDICT], PASSWORD).await.unwrap();
    assert_eq!(answer.said, "hello, primary, logged in");
}

#[tokio::test]
async fn a_server_may_want_one_more_round() {
    const REST: &[Reply] =
        &[HELLO, CHALLENGE, |scram, request| scram.verdict(request, false), |_, _| step("", true)];
    log_in(REST, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let error = log_in(&[HELLO, CHALLENGE, VERDICT], "something-else").await.unwrap_err();
    assert!(matches!(error.fault, Fault::Refused), "{error}");
    assert_eq!((error.step, error.read.as_str()), ("saslContinue", "Authentication failed."));
    assert!(!error.to_string().contains("something-else"), "{error}");
}

/// A stranger in the store's place gets no password, and does not count as the store.
#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_not_the_store() {
    const CHEAP: &[Reply] = &[HELLO, |_, _| step("r=short,s=c2FsdA==,i=1", false)];
    const STRANGER: &[Reply] =
        &[HELLO, CHALLENGE, |_, _| step("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true)];
    let error = log_in(STRANGER, PASSWORD).await.unwrap_err();
    assert!(error.to_string().contains("expected proof that the server knows the password"), "{error}");
    let error = log_in(CHEAP, PASSWORD).await.unwrap_err();
    assert!(error.to_string().contains("saslStart: wrong answer, expected a challenge"), "{error}");
}

#[tokio::test]
async fn a_server_without_this_way_to_log_in_is_told_by_name() {
    const OLD: &[Reply] = &[|_, _| {
        let offered = ("saslSupportedMechs", List(&["SCRAM-SHA-1"]));
        message(&[("isWritablePrimary", Flag(true)), offered, ("ok", Double(1.0))])
    }];
    let error = log_in(OLD, PASSWORD).await.unwrap_err();
    assert!(error.to_string().contains("cannot log in but with SCRAM-SHA-256"), "{error}");
}

#[tokio::test]
async fn an_error_of_the_server_is_shown_in_its_words() {
    const STARTING: &[Reply] = &[|_, _| refusal(11600, "interrupted at shutdown\u{7}")];
    let error = hello(STARTING, "").await.unwrap_err();
    assert_eq!((error.step, error.read.as_str()), ("hello", "interrupted at shutdown."));
}

/// What an answer says of its length is believed as far as an answer may go.
#[tokio::test]
async fn an_answer_of_two_gigabytes_is_cut() {
    const HUGE: &[Reply] = &[|_, _| {
        let words = [i32::MAX, 7, 1, 2013, 0].map(i32::to_le_bytes).concat();
        [words, vec![0; 20_000]].concat()
    }];
    let error = hello(HUGE, "").await.unwrap_err();
    assert!(matches!(error.fault, Fault::Endless), "{error}");
}

const SECONDARY: &[Reply] = &[|_, _| message(&[("isWritablePrimary", Flag(false)), ("ok", Double(1.0))])];

#[tokio::test]
async fn a_secondary_will_do_only_when_it_is_meant() {
    let error = hello(SECONDARY, "").await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotPrimary), "{error}");
    hello(SECONDARY, "directConnection=true").await.unwrap();
}

#[tokio::test]
async fn one_primary_in_the_list_is_enough() {
    let (_kept, nobody) = nobody();
    let (secondary, first) = store(SECONDARY).await;
    let (primary, second) = store(&[HELLO]).await;
    let uri = format!("mongodb://127.0.0.1:{nobody},127.0.0.1:{secondary},127.0.0.1:{primary}");
    client().hello(&Documents::parse(&uri).unwrap(), &PATIENT).await.unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 1));
}

#[tokio::test]
async fn of_a_list_without_a_primary_the_error_that_tells_most_is_told() {
    let (_kept, nobody) = nobody();
    let (secondary, served) = store(SECONDARY).await;
    let uri = format!("mongodb://127.0.0.1:{secondary},127.0.0.1:{nobody}");
    let error = client().hello(&Documents::parse(&uri).unwrap(), &PATIENT).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotPrimary), "{error}");
    served.await.unwrap();
}
