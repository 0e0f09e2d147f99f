//! Every check, at every step of its conversation, against a service that does right until then and wrong from there:
//! the error names that step, says what was wrong in the same words, and shows what was read. Whoever was greeted
//! is told goodbye all the same, and nobody's connection is reset.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use berth_probe::{Answer, Client, Documents, Fault, KeyValue, Patience, ProbeError, Target};
use berth_role::{Check, TlsMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::service::{Io, Issued, PATIENT, client};
use crate::stores::{self, PASSWORD, Scram, USER};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    Check(Check),
    Hello,
    LogIn,
    Ping,
}

/// A step of a conversation: what the service hears first, and what it then says.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// The name that the client has for it.
    step: &'static str,
    hears: Hears,
    says: Says,
}

#[derive(Debug, Clone, Copy)]
enum Hears {
    Nothing,
    /// A line that begins so.
    Line(&'static str),
    /// The head of a request that begins so.
    Head(&'static str),
    /// An array of strings, this one among them.
    Words(&'static str),
    /// A message whose first field has this name.
    Message(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Says {
    /// These lines.
    Text(&'static str),
    /// The same, the first of which may be followed by any number of the second.
    Lines(&'static str, &'static str),
    Handshake,
    Primary,
    Challenge,
    Verdict,
}
use Hears::{Head, Line, Message, Nothing, Words};
use Says::{Challenge, Handshake, Lines, Primary, Text, Verdict};

const fn turn(step: &'static str, hears: Hears, says: Says) -> Turn {
    Turn { step, hears, says }
}

const TLS: Turn = turn("TLS handshake", Nothing, Handshake);

const SMTP_GREETING: Turn = turn("greeting", Nothing, Lines("220-mail\n220 ESMTP\n", "220-more\n"));
const EHLO: Turn = turn("EHLO", Line("EHLO "), Lines("250-mail\n250 STARTTLS\n", "250-MORE\n"));
const EHLO_AGAIN: Turn = turn("EHLO under TLS", Line("EHLO "), Lines("250-mail\n250 HELP\n", "250-MORE\n"));
const STARTTLS: Turn = turn("STARTTLS", Line("STARTTLS"), Text("220 go\n"));
const SMTP_QUIT: Turn = turn("QUIT", Line("QUIT"), Text("221 Bye\n"));

const IMAP_GREETING: Turn = turn("greeting", Nothing, Text("* OK ready\n"));
const CAPABILITY: Turn =
    turn("CAPABILITY", Line("a1 CAPABILITY"), Lines("* CAPABILITY IMAP4rev1 STARTTLS\na1 OK\n", "* MORE\n"));
const IMAP_STARTTLS: Turn = turn("STARTTLS", Line("a2 STARTTLS"), Text("a2 OK\n"));
const CAPABILITY_AGAIN: Turn =
    turn("CAPABILITY", Line("a3 CAPABILITY"), Lines("* CAPABILITY IMAP4rev2\na3 OK\n", "* MORE\n"));
const LOGOUT: Turn = turn("LOGOUT", Line("a4 LOGOUT"), Lines("* BYE\na4 OK\n", "* MORE\n"));

const POP3_GREETING: Turn = turn("greeting", Nothing, Text("+OK ready\n"));
const CAPA: Turn = turn("CAPA", Line("CAPA"), Lines("+OK\nSTLS\n.\n", "+OK\nMORE\n"));
const STLS: Turn = turn("STLS", Line("STLS"), Text("+OK\n"));
const POP3_QUIT: Turn = turn("QUIT", Line("QUIT"), Text("+OK Bye\n"));

const GET: Turn = turn("GET", Head("GET / "), Text("HTTP/1.1 200 OK\n\n"));
const PROPFIND: Turn = turn("PROPFIND", Head("PROPFIND / "), Text("HTTP/1.1 401 Unauthorized\n\n"));
const UPGRADE: Turn = turn("GET", Head("GET / "), Text("HTTP/1.1 401 Unauthorized\n\n"));

const HELLO: Turn = turn("hello", Message("hello"), Primary);
const SASL_START: Turn = turn("saslStart", Message("saslStart"), Challenge);
const SASL_CONTINUE: Turn = turn("saslContinue", Message("saslContinue"), Verdict);

const AUTH: Turn = turn("AUTH", Words("AUTH"), Text("+OK\n"));
const PING: Turn = turn("PING", Words("PING"), Text("+PONG\n"));
const REDIS_QUIT: Turn = turn("QUIT", Words("QUIT"), Text("+OK\n"));

const PAGE: Ask = Ask::Check(Check::Http { path: "/", statuses: &[200] });

use TlsMode::{Implicit, None, StartTls};

/// Every check in every way that TLS is spoken with it, as it goes when all is well.
const CONVERSATIONS: &[(Ask, TlsMode, &[Turn])] = &[
    (Ask::Check(Check::Smtp), None, &[SMTP_GREETING, EHLO, SMTP_QUIT]),
    (Ask::Check(Check::Smtp), Implicit, &[TLS, SMTP_GREETING, EHLO, SMTP_QUIT]),
    (Ask::Check(Check::Smtp), StartTls, &[SMTP_GREETING, EHLO, STARTTLS, TLS, EHLO_AGAIN, SMTP_QUIT]),
    (Ask::Check(Check::Imap), None, &[IMAP_GREETING, CAPABILITY, LOGOUT]),
    (Ask::Check(Check::Imap), Implicit, &[TLS, IMAP_GREETING, CAPABILITY, LOGOUT]),
    (
        Ask::Check(Check::Imap),
        StartTls,
        &[IMAP_GREETING, CAPABILITY, IMAP_STARTTLS, TLS, CAPABILITY_AGAIN, LOGOUT],
    ),
    (Ask::Check(Check::Pop3), None, &[POP3_GREETING, CAPA, POP3_QUIT]),
    (Ask::Check(Check::Pop3), Implicit, &[TLS, POP3_GREETING, CAPA, POP3_QUIT]),
    (Ask::Check(Check::Pop3), StartTls, &[POP3_GREETING, CAPA, STLS, TLS, POP3_QUIT]),
    (PAGE, None, &[GET]),
    (PAGE, Implicit, &[TLS, GET]),
    (Ask::Check(Check::DavUnauthorized), None, &[PROPFIND]),
    (Ask::Check(Check::DavUnauthorized), Implicit, &[TLS, PROPFIND]),
    (Ask::Check(Check::WebSocketUnauthorized), None, &[UPGRADE]),
    (Ask::Check(Check::WebSocketUnauthorized), Implicit, &[TLS, UPGRADE]),
    (Ask::Check(Check::Certificate), Implicit, &[TLS]),
    (Ask::Check(Check::Certificate), StartTls, &[SMTP_GREETING, EHLO, STARTTLS, TLS, EHLO_AGAIN, SMTP_QUIT]),
    (Ask::Hello, None, &[HELLO]),
    (Ask::Hello, Implicit, &[TLS, HELLO]),
    (Ask::LogIn, None, &[HELLO, SASL_START, SASL_CONTINUE]),
    (Ask::LogIn, Implicit, &[TLS, HELLO, SASL_START, SASL_CONTINUE]),
    (Ask::Ping, None, &[AUTH, PING, REDIS_QUIT]),
    (Ask::Ping, Implicit, &[TLS, AUTH, PING, REDIS_QUIT]),
];

/// What the service does from one turn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    /// Right, but byte by byte.
    ByteByByte,
    /// Something else.
    Wrong,
    /// Nothing.
    Silent,
    /// Half of the answer, and no more.
    Half,
    /// Letter after letter, with a pause before each, without end.
    Trickle,
    /// Letters as fast as they are taken, without end.
    Endless,
    /// Line after line of an answer that has no last one.
    EndlessLines,
    /// Hangs up.
    Closes,
    /// Speaks TLS where none is expected. Where it is, `Wrong` is the reverse.
    Tls,
}

const CONDUCTS: [Conduct; 9] = [
    Conduct::ByteByByte,
    Conduct::Wrong,
    Conduct::Silent,
    Conduct::Half,
    Conduct::Trickle,
    Conduct::Endless,
    Conduct::EndlessLines,
    Conduct::Closes,
    Conduct::Tls,
];

/// As long as any greeting and any header of a message.
const NONSENSE: &str = "3.14 \u{1b}[31mnonsense to everybody\r\n";

/// The beginning of a TLS record that never comes.
const HALF_A_HANDSHAKE: &[u8] = &[0x16, 3, 3, 0, 0x40, 2];

/// For a deadline that does come, with [`AT_ONCE`] cases under way on a busy machine.
const HASTY: Patience = Patience { step: Duration::from_secs(8), whole: Duration::from_mins(1) };

/// So many cases at once, on one thread, are on their way to where the service does wrong, which takes them a small part of a
/// step's deadline. Those that then wait for it cost nothing.
const AT_ONCE: usize = 25;

/// One case: right up to a turn, and then so.
#[derive(Clone, Copy)]
struct Case {
    ask: Ask,
    tls: TlsMode,
    turns: &'static [Turn],
    at: usize,
    conduct: Conduct,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ask, tls, conduct, .. } = self;
        write!(f, "{ask:?}, TLS {tls:?}, {conduct:?} at {} (turn {})", self.turn().step, self.at)
    }
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for &(ask, tls, turns) in CONVERSATIONS {
            for at in 0..turns.len() {
                let cases_here = CONDUCTS.map(|conduct| Self { ask, tls, turns, at, conduct });
                cases.extend(cases_here.into_iter().filter(Case::is_possible));
            }
        }
        cases
    }

    fn turn(&self) -> Turn {
        self.turns[self.at]
    }

    fn is_possible(&self) -> bool {
        match self.conduct {
            Conduct::EndlessLines => matches!(self.turn().says, Lines(..)),
            Conduct::ByteByByte => !matches!(self.turn().says, Handshake),
            Conduct::Tls => self.at == 0 && self.tls != Implicit,
            _ => true,
        }
    }

    /// Whether it is over only when a deadline has come.
    fn waits(&self) -> bool {
        matches!(self.conduct, Conduct::Silent | Conduct::Half | Conduct::Trickle | Conduct::Tls)
    }

    /// The fault is the one that this conduct makes.
    fn is_right(&self, error: &ProbeError) -> bool {
        let handshake = matches!(self.turn().says, Handshake);
        let binary = matches!(self.turn().says, Primary | Challenge | Verdict);
        match self.conduct {
            Conduct::ByteByByte => false,
            Conduct::Wrong if handshake => matches!(error.fault, Fault::NotTls(_)),
            // There the protocol is not known, but told from the greeting.
            Conduct::Wrong if self.is_certificate() && self.at == 0 => {
                matches!(error.fault, Fault::Unsupported(_))
            }
            Conduct::Wrong => matches!(error.fault, Fault::Wrong(_)),
            Conduct::Trickle | Conduct::Endless if handshake => {
                matches!(error.fault, Fault::NotTls(_) | Fault::Broke(_))
            }
            Conduct::Trickle | Conduct::Endless if self.is_certificate() && self.at == 0 => {
                matches!(error.fault, Fault::Unsupported(_))
            }
            Conduct::Silent | Conduct::Half | Conduct::Trickle => matches!(error.fault, Fault::Deadline),
            // Its length comes first, and is none.
            Conduct::Endless if binary => matches!(error.fault, Fault::Wrong(_)),
            Conduct::Endless | Conduct::EndlessLines => matches!(error.fault, Fault::Endless),
            Conduct::Closes => matches!(error.fault, Fault::Closed | Fault::Broke(_)),
            // Whoever waits to be greeted waits for one who waits for him.
            Conduct::Tls if matches!(self.turn().hears, Nothing) => matches!(error.fault, Fault::Deadline),
            Conduct::Tls => matches!(error.fault, Fault::Closed | Fault::Broke(_) | Fault::Wrong(_)),
        }
    }

    /// The words of the error.
    fn words(&self, error: &ProbeError) -> &'static str {
        match error.fault {
            Fault::Wrong(_) => ": wrong answer, expected ",
            Fault::NotTls(_) => ": no TLS (",
            Fault::Deadline => ": no complete answer in time (",
            Fault::Endless => ": more than 8 KiB of answer (",
            Fault::Closed => ": the service closed the connection (",
            Fault::Broke(_) => ": the connection broke (",
            Fault::Unsupported(_) => ": this client cannot start TLS in the protocol",
            _ => panic!("{self:?}: {error}"),
        }
    }

    /// What the error shows of the answer.
    fn read(&self) -> Option<&'static str> {
        let quiet = matches!(self.turn().says, Handshake) || self.turn().step == "AUTH";
        match self.conduct {
            Conduct::Wrong if quiet => Some(""),
            Conduct::Wrong => Some("3.14 .[31mnonsense to everybody"),
            Conduct::Silent | Conduct::Closes => Some(""),
            _ => Option::None,
        }
    }

    fn is_certificate(&self) -> bool {
        matches!(self.ask, Ask::Check(Check::Certificate))
    }

    /// The word by which the service is told goodbye: it was greeted in a known protocol, TLS did not fail, and it was
    /// not told before.
    fn goodbye(&self) -> Option<&'static str> {
        // Half of a greeting tells as much.
        let done = if self.conduct == Conduct::Half { self.at + 1 } else { self.at };
        let greeting = self.turns[..done].iter().find(|turn| turn.step == "greeting")?;
        let open = !matches!(self.turn().says, Handshake) && !matches!(self.turn().step, "QUIT" | "LOGOUT");
        let greets_in_imap = matches!(greeting.says, Text(text) if text.starts_with('*'));
        open.then_some(if greets_in_imap { "a0 LOGOUT\r\n" } else { "QUIT\r\n" })
    }
}

pub async fn put(
    ask: Ask,
    client: &Client,
    target: Target,
    patience: &Patience,
) -> Result<Answer, ProbeError> {
    let (host, port, tls) = (&target.host, target.port, target.tls == Implicit);
    let documents =
        || Documents::parse(&format!("mongodb://{USER}:{PASSWORD}@{host}:{port}/?tls={tls}")).unwrap();
    match ask {
        Ask::Check(check) => client.check(check, &target, patience).await,
        Ask::Hello => client.hello(&documents(), patience).await,
        Ask::LogIn => client.log_in(&documents(), patience).await,
        Ask::Ping => {
            let store = KeyValue { user: USER.to_owned(), password: PASSWORD.to_owned(), target };
            client.ping(&store, patience).await
        }
    }
}

/// What a service came to know: what it heard after it had done wrong, and how that ended.
type Heard = io::Result<Vec<u8>>;

/// Plays the conversation up to the case's turn, and does then as the case says.
async fn play(
    mut stream: Box<dyn Io>,
    case: Case,
    acceptor: TlsAcceptor,
    under_way: OwnedSemaphorePermit,
) -> Heard {
    let mut under_way = Some(under_way);
    if case.conduct == Conduct::Tls {
        drop(under_way);
        return match acceptor.accept(stream).await {
            Ok(_) => panic!("the client speaks TLS where none is expected"),
            // The client hung up, or it said something else, which the acceptor has answered with an alert.
            Err(_) => Ok(Vec::new()),
        };
    }
    let mut scram = Scram::default();
    for (number, turn) in case.turns.iter().enumerate() {
        let request = hear(&mut stream, turn.hears).await;
        let answer = match turn.says {
            Handshake if number != case.at => {
                stream = Box::new(acceptor.accept(stream).await?);
                continue;
            }
            Handshake => {
                // The client has begun: before that, any text would be one between STARTTLS and the handshake.
                stream.read_u8().await?;
                HALF_A_HANDSHAKE.to_vec()
            }
            Text(text) | Lines(text, _) => text.replace('\n', "\r\n").into_bytes(),
            Primary => stores::primary(),
            Challenge => scram.challenge(&request),
            Verdict => scram.verdict(&request, true),
        };
        if number != case.at {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            continue;
        }
        if case.waits() {
            drop(under_way.take());
        }
        let lines = if let Lines(_, more) = turn.says { more.replace('\n', "\r\n") } else { String::new() };
        match case.conduct {
            Conduct::ByteByByte => {
                for byte in answer {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                }
                continue;
            }
            Conduct::Wrong => stream.write_all(NONSENSE.as_bytes()).await?,
            Conduct::Silent | Conduct::Tls => {}
            Conduct::Half => stream.write_all(&answer[..answer.len() / 2]).await?,
            Conduct::Closes => {
                stream.shutdown().await?;
                return Ok(Vec::new());
            }
            Conduct::Trickle => return Ok(without_end(stream, "x", HASTY.step / 8).await),
            Conduct::Endless => return Ok(without_end(stream, "xxxxxxxx", Duration::ZERO).await),
            Conduct::EndlessLines => return Ok(without_end(stream, &lines, Duration::ZERO).await),
        }
        stream.flush().await?;
        break;
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    drop(under_way);
    Ok(heard)
}

async fn without_end(mut stream: Box<dyn Io>, text: &str, pause: Duration) -> Vec<u8> {
    while stream.write_all(text.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {
        tokio::time::sleep(pause).await;
    }
    Vec::new()
}

/// Takes a request, whole; it is the expected one.
async fn hear(stream: &mut Box<dyn Io>, expected: Hears) -> Vec<u8> {
    let mut request = Vec::new();
    let ends = |request: &[u8]| match expected {
        Nothing => true,
        Line(_) => request.ends_with(b"\r\n"),
        Head(_) => request.ends_with(b"\r\n\r\n"),
        Words(_) => {
            let lines = String::from_utf8_lossy(request).matches("\r\n").count();
            request
                .first_chunk()
                .is_some_and(|[_, count, ..]: &[u8; 4]| lines == 1 + 2 * usize::from(count - b'0'))
        }
        Message(_) => request
            .first_chunk()
            .is_some_and(|length| usize::try_from(i32::from_le_bytes(*length)) == Ok(request.len())),
    };
    while !ends(&request) {
        request.push(stream.read_u8().await.unwrap());
    }
    let text = String::from_utf8_lossy(&request);
    match expected {
        Nothing => {}
        Line(start) | Head(start) => assert!(text.starts_with(start), "{text}"),
        Words(word) => assert!(text.contains(&format!("\r\n{word}\r\n")), "{text}"),
        Message(name) => assert!(request[26..].starts_with(name.as_bytes()), "{text}"),
    }
    request
}

async fn meet(case: Case, issued: &Issued, under_way: OwnedSemaphorePermit) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = issued.acceptor();
    let service = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        play(Box::new(stream), case, acceptor, under_way).await
    });
    let target = Target::new("127.0.0.1", port, case.tls).named("mail.example.test");
    let asked = put(case.ask, &client(), target, if case.waits() { &HASTY } else { &PATIENT }).await;
    let heard = service.await.unwrap();

    if case.conduct == Conduct::ByteByByte {
        asked.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        heard.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        return;
    }
    let error = asked.expect_err(&format!("{case:?}"));
    let told = error.to_string();
    assert_eq!(error.step, case.turn().step, "{case:?}: {told}");
    assert!(case.is_right(&error), "{case:?}: {told}");
    assert!(
        told.starts_with(&format!("127.0.0.1:{port}: {}{}", error.step, case.words(&error))),
        "{case:?}: {told}"
    );
    assert!(case.read().is_none_or(|read| error.read == read), "{case:?}: {told}");
    assert!(
        error.read.len() <= 120 && told.chars().all(|c| c == ' ' || c.is_ascii_graphic()),
        "{case:?}: {told}"
    );
    assert!(!told.contains(PASSWORD), "{case:?}: {told}");
    if matches!(case.conduct, Conduct::Wrong | Conduct::Silent | Conduct::Half) {
        let heard = heard.unwrap_or_else(|error| panic!("{case:?}: it was left badly: {error}"));
        let heard = String::from_utf8_lossy(&heard);
        match case.goodbye() {
            Some(word) => assert_eq!(heard, word, "{case:?}: it was not told goodbye"),
            // An alert of TLS may come; no word of a protocol does.
            Option::None => {
                assert!(!heard.contains("QUIT") && !heard.contains("LOGOUT"), "{case:?}: {heard:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_step_of_every_check_is_told_when_it_goes_wrong() {
    let issued = std::sync::Arc::new(Issued::on((2020, 2090)));
    let cases = Case::all();
    let places = std::sync::Arc::new(Semaphore::new(AT_ONCE));
    let mut meetings = JoinSet::new();
    for &case in &cases {
        let (issued, places) = (std::sync::Arc::clone(&issued), std::sync::Arc::clone(&places));
        meetings.spawn(async move {
            let under_way = places.acquire_owned().await.unwrap();
            meet(case, &issued, under_way).await;
        });
    }
    let mut failed = Vec::new();
    while let Some(met) = meetings.join_next().await {
        failed.extend(met.err().map(|error| error.to_string()));
    }
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), cases.len(), failed.join("\n"));
    println!("{} combinations of {} conversations", cases.len(), CONVERSATIONS.len());
}
