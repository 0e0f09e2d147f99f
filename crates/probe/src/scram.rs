//! Logging in without sending the password: SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! The hash and the HMAC are those that the provider has for TLS 1.3, so that no crate is added for them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::hash::{Hash, HashAlgorithm};
use tokio_rustls::rustls::crypto::tls13::{Hkdf, OkmBlock};

/// Fewer rounds than this no server may ask for (RFC 7677 section 4). MongoDB asks for 15,000, PostgreSQL for 4,096;
/// more than the upper bound would keep the only thread of a PID 1 busy.
const ROUNDS: std::ops::RangeInclusive<u32> = 4_096..=100_000;

/// One login: first [`Exchange::first`] is sent, then what [`Exchange::answer`] gives.
pub(crate) struct Exchange<'a> {
    hash: &'static dyn Hash,
    hmac: &'static dyn Hkdf,
    user: &'a str,
    password: &'a str,
    nonce: String,
}

/// What is sent last, and what a server that knows the password says to it.
pub(crate) struct Proof {
    pub(crate) message: String,
    pub(crate) expected: String,
}

impl<'a> Exchange<'a> {
    /// An exchange with a nonce of its own; none with a provider that lacks SHA-256 or randomness.
    pub(crate) fn new(provider: &CryptoProvider, user: &'a str, password: &'a str) -> Option<Self> {
        let mut nonce = [0; 18];
        provider.secure_random.fill(&mut nonce).ok()?;
        Self::with_nonce(provider, user, password, BASE64_STANDARD.encode(nonce))
    }

    fn with_nonce(
        provider: &CryptoProvider,
        user: &'a str,
        password: &'a str,
        nonce: String,
    ) -> Option<Self> {
        let suites = provider.cipher_suites.iter().filter_map(SupportedCipherSuite::tls13);
        let mut sha256 =
            suites.filter(|suite| suite.common.hash_provider.algorithm() == HashAlgorithm::SHA256);
        let suite = sha256.next()?;
        Some(Self { hash: suite.common.hash_provider, hmac: suite.hkdf_provider, user, password, nonce })
    }

    /// What is sent first; `n,,` says that no channel is bound.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        // RFC 5802 section 5.1
        let user = self.user.replace('=', "=3D").replace(',', "=2C");
        format!("n={user},r={}", self.nonce)
    }

    /// The answer to what the server said to the first message; none when that is no challenge that can be met.
    pub(crate) fn answer(&self, challenge: &str) -> Option<Proof> {
        let (mut nonce, mut salt, mut rounds) = (None, None, None);
        for part in challenge.split(',') {
            match part.split_once('=')? {
                ("r", value) => nonce = Some(value),
                ("s", value) => salt = BASE64_STANDARD.decode(value).ok(),
                ("i", value) => rounds = value.parse().ok().filter(|rounds| ROUNDS.contains(rounds)),
                // An extension that has to be understood.
                ("m", _) => return None,
                _ => {}
            }
        }
        let (salt, rounds) = (salt?, rounds?);
        // The server adds its own part to our nonce, so that neither side alone chooses it.
        let nonce = nonce.filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len())?;
        let unproven = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{unproven}", self.bare());

        let salted = self.salted(&salt, rounds);
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = self.hash.hash(&client_key);
        let signature = self.sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let server_key = self.sign(&salted, b"Server Key");
        let expected = BASE64_STANDARD.encode(self.sign(&server_key, signed.as_bytes()));
        Some(Proof {
            message: format!("{unproven},p={}", BASE64_STANDARD.encode(proof)),
            expected: format!("v={expected}"),
        })
    }

    /// The password after so many rounds (`Hi` of RFC 5802 section 2.2, which is PBKDF2).
    fn salted(&self, salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut round = self.sign(self.password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut salted = round.clone();
        for _ in 1..rounds {
            round = self.sign(self.password.as_bytes(), &round);
            salted.iter_mut().zip(&round).for_each(|(salted, round)| *salted ^= round);
        }
        salted
    }

    fn sign(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        // A key that is longer than a block of the hash is hashed first (RFC 2104 section 2).
        let key = if key.len() > OkmBlock::MAX_LEN {
            OkmBlock::new(self.hash.hash(key).as_ref())
        } else {
            OkmBlock::new(key)
        };
        self.hmac.hmac_sign(&key, message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use rustls::crypto::ring::default_provider;

    fn exchange<'a>(user: &'a str, password: &'a str, nonce: &str) -> Exchange<'a> {
        Exchange::with_nonce(&default_provider(), user, password, nonce.to_owned()).unwrap()
    }

    /// RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let exchange = exchange("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = exchange.answer(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")).unwrap();
        assert_eq!(proof.message, format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        assert_eq!(proof.expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    /// Made with Python's hashlib and hmac.
    #[test]
    fn a_password_may_be_longer_than_a_block() {
        let password = "long".repeat(20);
        let exchange = exchange("a,b=c", &password, "n");
        assert_eq!(exchange.first(), "n,,n=a=2Cb=3Dc,r=n");
        let proof = exchange.answer("r=nm,s=c2FsdA==,i=4096").unwrap();
        assert_eq!(proof.expected, "v=7J0u0lt9RCCbj1fFUQqHdQVCmm2xQRMBg1D7Jyv0xkU=");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Pieces of a challenge in any order: one is met only if it is ours, and asks for neither too little nor too much.
        #[test]
        fn no_challenge_makes_us_work_without_end_or_less_than_is_safe(
            parts in prop::collection::vec(prop_oneof![
                "[rsimx]=.{0,6}", Just("r=mineyours".to_owned()), Just("s=c2FsdA==".to_owned()),
                prop_oneof![4090..4100u32, any::<u32>()].prop_map(|rounds| format!("i={}", rounds.min(5000) + rounds / 5000 * 5000)),
            ], 0..6),
        ) {
            let challenge = parts.join(",");
            let proof = exchange("user", "pencil", "mine").answer(&challenge);
            let last = |key: &str| challenge.split(',').rev().find_map(|part| part.strip_prefix(key));
            let rounds: Option<u32> = last("i=").and_then(|rounds| rounds.parse().ok());
            let is_ours = last("r=").is_some_and(|nonce| nonce.starts_with("mine") && nonce.len() > 4);
            prop_assert!(proof.is_none() || is_ours && rounds.is_some_and(|rounds| (4_096..=100_000).contains(&rounds)));
        }
    }

    #[test]
    fn a_challenge_that_is_none_is_not_met() {
        let exchange = exchange("user", "pencil", "mine");
        assert!(exchange.answer("r=mineyours,s=c2FsdA==,i=4096").is_some());
        for challenge in [
            "",
            "r=mineyours",
            "r=mine,s=c2FsdA==,i=4096",
            "r=yours,s=c2FsdA==,i=4096",
            "r=mineyours,s=c2FsdA==,i=4095",
            "r=mineyours,s=c2FsdA==,i=4294967295",
            "r=mineyours,s=c2FsdA==,i=-1",
            "r=mineyours,s=?,i=4096",
            "m=x,r=mineyours,s=c2FsdA==,i=4096",
            "r=mineyours,s=c2FsdA==,i=4096,",
        ] {
            assert!(exchange.answer(challenge).is_none(), "{challenge}");
        }
    }
}
