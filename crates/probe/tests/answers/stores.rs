//! What the stores say: MongoDB's messages and its side of SCRAM-SHA-256, for services that play one.

use base64::prelude::*;
use rustls::SupportedCipherSuite;
use rustls::crypto::ring::default_provider;
use rustls::crypto::tls13::OkmBlock;

pub const USER: &str = "postbox";
pub const PASSWORD: &str = "not-to-be-seen";

/// The user's salt, in base64 as it is sent.
const SALT: &str = "c2FsdCBhbmQgcGVwcGVy";

/// A value of BSON, as far as these answers have any.
pub enum Bson<'a> {
    Double(f64),
    Number(i32),
    Flag(bool),
    Text(&'a str),
    Binary(&'a [u8]),
    List(&'a [&'a str]),
}
use Bson::{Binary, Double, Flag, List, Number, Text};

/// A document, with its length.
fn document(fields: &[(&str, Bson)]) -> Vec<u8> {
    let length = |bytes: usize| i32::try_from(bytes).unwrap().to_le_bytes();
    let text = |text: &str| [&length(text.len() + 1)[..], text.as_bytes(), &[0]].concat();
    let mut bytes = Vec::new();
    for (key, value) in fields {
        let (kind, value) = match value {
            Double(number) => (1, number.to_le_bytes().to_vec()),
            Text(value) => (2, text(value)),
            List(items) => {
                let keys: Vec<_> = (0..items.len()).map(|index| index.to_string()).collect();
                let items: Vec<_> =
                    keys.iter().zip(*items).map(|(key, item)| (key.as_str(), Text(item))).collect();
                (4, document(&items))
            }
            Binary(value) => (5, [&length(value.len())[..], &[0], value].concat()),
            Flag(value) => (8, vec![u8::from(*value)]),
            Number(value) => (16, value.to_le_bytes().to_vec()),
        };
        bytes.extend([&[kind], key.as_bytes(), &[0], &value[..]].concat());
    }
    [&length(bytes.len() + 5)[..], &bytes, &[0]].concat()
}

/// An answer to the client's only number for its messages.
pub fn message(fields: &[(&str, Bson)]) -> Vec<u8> {
    let document = document(fields);
    let length = i32::try_from(21 + document.len()).unwrap();
    let words = [length, 7, 1, 2013, 0].map(i32::to_le_bytes).concat();
    [&words[..], &[0], &document].concat()
}

/// A primary that offers SCRAM, as MongoDB says it.
pub fn primary() -> Vec<u8> {
    let offered = ["SCRAM-SHA-1", "SCRAM-SHA-256"];
    let state = ("isWritablePrimary", Flag(true));
    message(&[
        state,
        ("maxWireVersion", Number(21)),
        ("saslSupportedMechs", List(&offered)),
        ("ok", Double(1.0)),
    ])
}

/// A step of a login.
pub fn step(payload: &str, done: bool) -> Vec<u8> {
    let payload = ("payload", Binary(payload.as_bytes()));
    message(&[("conversationId", Number(1)), ("done", Flag(done)), payload, ("ok", Double(1.0))])
}

/// What is refused, and why.
pub fn refusal(code: i32, message_: &str) -> Vec<u8> {
    message(&[("ok", Double(0.0)), ("errmsg", Text(message_)), ("code", Number(code))])
}

/// The binary field `payload` of a request, as text.
fn payload(request: &[u8]) -> String {
    let key = b"\x05payload\0";
    let at = request.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let length = i32::from_le_bytes(request[at..at + 4].try_into().unwrap());
    String::from_utf8(request[at + 5..][..usize::try_from(length).unwrap()].to_vec()).unwrap()
}

/// The server's side of a login (RFC 5802 section 3).
#[derive(Default)]
pub struct Scram {
    /// The client's first message without its header, and ours.
    so_far: String,
}

impl Scram {
    pub fn challenge(&mut self, request: &[u8]) -> Vec<u8> {
        let first = payload(request);
        let bare = first.strip_prefix("n,,").unwrap();
        assert!(bare.starts_with(&format!("n={USER},r=")), "{bare}");
        let nonce = bare.split_once(",r=").unwrap().1;
        let challenge = format!("r={nonce}and-ours,s={SALT},i=4096");
        self.so_far = format!("{bare},{challenge}");
        step(&challenge, false)
    }

    /// Refuses a wrong proof; answers a right one by our own.
    pub fn verdict(&self, request: &[u8], done: bool) -> Vec<u8> {
        let last = payload(request);
        let (unproven, proof) = last.rsplit_once(",p=").unwrap();
        let signed = format!("{},{unproven}", self.so_far);
        let salted = salted(PASSWORD);
        let client_key = sign(&salted, b"Client Key");
        let signature = sign(&hash(&client_key), signed.as_bytes());
        let expected: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        if BASE64_STANDARD.decode(proof).unwrap() != expected {
            return refusal(18, "Authentication failed.");
        }
        let ours = BASE64_STANDARD.encode(sign(&sign(&salted, b"Server Key"), signed.as_bytes()));
        step(&format!("v={ours}"), done)
    }
}

fn salted(password: &str) -> Vec<u8> {
    let salt = BASE64_STANDARD.decode(SALT).unwrap();
    let mut round = sign(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut salted = round.clone();
    for _ in 1..4096 {
        round = sign(password.as_bytes(), &round);
        salted.iter_mut().zip(&round).for_each(|(salted, round)| *salted ^= round);
    }
    salted
}

fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    let suite = default_provider().cipher_suites.into_iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) if suite.common.hash_provider.output_len() == 32 => Some(suite),
        _ => None,
    });
    suite.unwrap().hkdf_provider.hmac_sign(&OkmBlock::new(key), message).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    let suites = default_provider().cipher_suites;
    let suite = suites
        .iter()
        .find_map(|suite| suite.tls13().filter(|suite| suite.common.hash_provider.output_len() == 32));
    suite.unwrap().common.hash_provider.hash(bytes).as_ref().to_vec()
}
