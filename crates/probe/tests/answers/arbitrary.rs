//! Every check against services that say anything at all: bytes, pieces of right answers in any order, right answers that were
//! cut or changed. None makes a check panic or wait, none is taken for good that is not, and no error repeats a secret.

use std::io;
use std::net::Ipv4Addr;

use berth_probe::Target;
use berth_role::{Check, TlsMode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::hostile::{Ask, put};
use crate::service::{PATIENT, client};
use crate::stores::{self, PASSWORD};

const SMTP: &[&str] = &[
    "220 ",
    "220-",
    "250-",
    "250 ",
    "250",
    "221 ",
    "STARTTLS",
    "\r\n",
    "\n",
    "250\r\n",
    "220 a\r\n250-b\r\n",
];
const IMAP: &[&str] = &[
    "* OK ",
    "* BYE",
    "* CAPABILITY",
    " IMAP4rev1",
    " STARTTLS",
    "a1 OK",
    "a2 OK",
    "a4 OK",
    "\r\n",
    "* OK a\r\n* CAPABILITY IMAP4rev2\r\na1 OK\r\n",
];
const POP3: &[&str] = &["+OK", "+OK ", "-ERR", "STLS", ".", "\r\n", "+OK\r\n", "+OK a\r\n+OK\r\n.\r\n"];
const HTTP: &[&str] =
    &["HTTP/1.1 ", "HTTP/1.", "1", "200", "401", " ", "+", "\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 401\r\n"];
const REDIS: &[&str] = &[
    "+OK",
    "+PONG",
    "-NOAUTH",
    "-WRONGPASS",
    "-ERR ",
    PASSWORD,
    "$",
    "*",
    "-1",
    "\r\n",
    "+OK\r\n",
    "+PONG\r\n",
];

const PAGE: Check = Check::Http { path: "/", statuses: &[200] };

/// A question, how TLS is spoken, and what the service says, whatever it hears.
fn conversation() -> impl Strategy<Value = (Ask, TlsMode, Vec<u8>)> {
    let text = |asks: &'static [Ask], pieces: &'static [&'static str]| {
        let piece = prop_oneof![
            12 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..8),
            1 => Just(b"\0".to_vec()),
        ];
        (prop::sample::select(asks), prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()))
    };
    let changed = (any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>(), any::<bool>());
    let binary = prop::collection::vec(changed, 0..3).prop_map(|changes| {
        let mut bytes = [stores::primary(), stores::step("r=x,s=,i=0", true)].concat();
        for (at, value, end, is_cut) in changes {
            let (at, end) = (at.index(bytes.len()), end.index(bytes.len()) + 1);
            bytes[at] = value;
            bytes.truncate(if is_cut { end } else { bytes.len() });
        }
        bytes
    });
    let stores = (prop::sample::select(&[Ask::Hello, Ask::LogIn][..]), binary);
    let mail = prop::sample::select(&[TlsMode::None, TlsMode::StartTls][..]);
    prop_oneof![
        (text(&[Ask::Check(Check::Smtp), Ask::Check(Check::Certificate)], SMTP), mail.clone()),
        (text(&[Ask::Check(Check::Imap), Ask::Check(Check::Certificate)], IMAP), mail.clone()),
        (text(&[Ask::Check(Check::Pop3), Ask::Check(Check::Certificate)], POP3), mail),
        (
            text(
                &[
                    Ask::Check(PAGE),
                    Ask::Check(Check::DavUnauthorized),
                    Ask::Check(Check::WebSocketUnauthorized)
                ],
                HTTP
            ),
            Just(TlsMode::None)
        ),
        (text(&[Ask::Ping], REDIS), Just(TlsMode::None)),
        (stores, Just(TlsMode::None)),
    ]
    .prop_map(|((ask, said), tls)| (ask, tls, said))
}

/// Whether an answer could be a good one, told more simply than by who reads it.
fn may_be_good(ask: Ask, tls: TlsMode, said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    let has = |parts: &[&str]| parts.iter().all(|part| said.contains(part));
    let first = said.lines().next().unwrap_or_default();
    match ask {
        Ask::Check(Check::Smtp) => said.starts_with("220") && has(&["\n250", "\n221"]),
        Ask::Check(Check::Imap) => {
            said.starts_with("* OK ") && has(&["* CAPABILITY", "IMAP4rev", "a1 OK", "a4 OK"])
        }
        Ask::Check(Check::Pop3) => said.starts_with("+OK") && said.matches("+OK").count() >= 2,
        Ask::Check(Check::Certificate) => tls == TlsMode::None,
        Ask::Check(check) => {
            let code = if matches!(check, Check::Http { .. }) { "200" } else { "401" };
            first.starts_with("HTTP/1.")
                && first.split(' ').nth(1).is_some_and(|word| word.trim_end() == code)
        }
        Ask::Ping => has(&["+PONG"]),
        Ask::Hello => has(&["isWritablePrimary\0\u{1}"]),
        // Nobody who does not know the password.
        Ask::LogIn => false,
    }
}

/// A reply whose last line was a code alone once ended the one who asked: it was looked at behind its end.
#[test]
fn whatever_a_service_says_a_check_ends_and_tells_no_secret() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&conversation(), |(ask, tls, said)| {
            let asked = runtime.block_on(meet(ask, tls, said.clone()));
            match asked {
                Ok(answer) => {
                    prop_assert!(may_be_good(ask, tls, &said), "taken for good: {answer}");
                    prop_assert!(answer.said.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
                }
                Err(error) => {
                    let told = error.to_string();
                    prop_assert!(error.read.len() <= 120 && !told.contains(PASSWORD), "{told}");
                    prop_assert!(told.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{told}");
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Says it all at once, and listens until the other hangs up.
async fn meet(ask: Ask, tls: TlsMode, said: Vec<u8>) -> Result<berth_probe::Answer, berth_probe::ProbeError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = tokio::spawn(async move {
        // One that asks twice finds nobody.
        let (mut stream, _) = listener.accept().await?;
        drop(listener);
        stream.write_all(&said).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await?;
        io::Result::Ok(())
    });
    let target = Target::new("127.0.0.1", port, tls).named("mail.example.test");
    let asked = put(ask, &client(), target, &PATIENT).await;
    // However it was left.
    let _ = service.await.unwrap();
    asked
}
