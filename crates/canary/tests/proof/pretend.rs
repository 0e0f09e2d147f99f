//! A mail service of a few lines that does well, or wrong in one way: what the proof is tried against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use berth_canary::{DEADLINE, DkimRecord, Doors, Endpoint, Mailbox, Roots, Service, Tls};
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::line::Line;
use crate::{http, imap, pop3, smtp};

pub const DOMAIN: &str = "example.test";
pub const ADDRESS: &str = "somebody@example.test";
pub const PASSWORD: &str = "a \"quoted\" pass\\word";

/// Somebody else's mail.
const MEANWHILE: &[u8] = b"Subject: meanwhile\r\n\r\nhello\r\n";

/// What the service does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It says 250 and forgets the mail, while somebody else's comes.
    Loses,
    /// It says 250, and delivers when somebody has tried a wrong password: after most of the proof.
    HoldsBack,
    /// It puts a line below the text.
    Spoils,
    /// It tells no IDLE of new mails.
    Silent,
    /// It delivers somebody else's mail before each.
    Busy,
    /// It signs with a key that is not the published one.
    OtherKey,
    /// It does not sign.
    Unsigned,
    /// It takes mail for other domains.
    Relays,
    /// It takes mail for mailboxes that do not exist.
    CatchesAll,
    /// It takes any password for submission.
    AnyPassword,
    /// It takes passwords in plain text.
    PlainAuth,
    /// It answers no MAIL.
    Hangs,
    /// It says that it has removed a mail, and has not.
    Keeps,
    /// Over POP3 it shows the oldest mail only.
    Pop3Behind,
    /// Over the API and on the page it shows no mail.
    PagesBehind,
    /// The API asks nobody for a password.
    ApiOpen,
    /// A password is asked for before every page, which is no fault.
    Gate,
    /// The same, but without saying of what kind.
    Locked,
    /// Signing out of the page changes nothing.
    WebStays,
    /// What was put into a store is not found there.
    DavForgets,
    /// It changes a letter of what was put into a store.
    DavSpoils,
    /// It does not let go of what was put into a store.
    DavKeeps,
}

pub struct Stored {
    pub uid: u32,
    pub folder: &'static str,
    pub raw: Vec<u8>,
    pub deleted: bool,
}

/// What the connections share.
pub struct Shared {
    pub fault: Fault,
    pub acceptor: TlsAcceptor,
    pub mails: Mutex<Vec<Stored>>,
    /// Counts mails in INBOX that IDLE tells of.
    pub arrivals: watch::Sender<usize>,
    /// What was put into calendars and address books, by path.
    pub items: Mutex<BTreeMap<String, String>>,
    held: Mutex<Vec<Vec<u8>>>,
    signer: KeyPair,
}

pub struct Pretend {
    shared: Arc<Shared>,
    pub service: Service,
    pub mailbox: Mailbox,
}

impl Pretend {
    /// Submission and IMAP begin TLS as `tls` says. It ends with the test's runtime.
    pub async fn start(fault: Fault, tls: Tls) -> Self {
        let (roots, acceptor) = certificates();
        let signer = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let published = if fault == Fault::OtherKey { &other } else { &signer };
        let key = BASE64_STANDARD.encode(published.public_key_raw());
        let dkim = DkimRecord { selector: "Main".into(), txt: format!("v=DKIM1; k=ed25519; p={key}") };
        let shared = Arc::new(Shared {
            fault,
            acceptor,
            mails: Mutex::default(),
            arrivals: watch::Sender::new(0),
            items: Mutex::default(),
            held: Mutex::default(),
            signer,
        });
        shared.store("INBOX", b"Subject: from before\r\n\r\nhello\r\n".to_vec());
        let pages = shared.listen(Tls::Implicit, http::serve).await;
        let service = Service {
            domain: DOMAIN.into(),
            doors: Doors {
                submission: shared.listen(tls, |shared, line| smtp::serve(shared, line, true)).await,
                mx: shared.listen(Tls::StartTls, |shared, line| smtp::serve(shared, line, false)).await,
                imap: shared.listen(tls, imap::serve).await,
                pop3: shared.listen(tls, pop3::serve).await,
                api: pages.clone(),
                web: pages.clone(),
                caldav: pages.clone(),
                carddav: pages,
            },
            delivers: true,
            roots,
            dkim: Some(dkim),
            deadline: DEADLINE,
        };
        Self { shared, service, mailbox: Mailbox { address: ADDRESS.into(), password: PASSWORD.into() } }
    }

    /// What is left in calendars and address books.
    pub fn items(&self) -> Vec<String> {
        self.shared.items.lock().unwrap().keys().cloned().collect()
    }

    /// Where each mail is, and its first line.
    pub fn mails(&self) -> Vec<String> {
        let first = |raw: &[u8]| String::from_utf8_lossy(raw).lines().next().unwrap().to_owned();
        let mails = self.shared.mails.lock().unwrap();
        mails.iter().map(|mail| format!("{}: {}", mail.folder, first(&mail.raw))).collect()
    }
}

impl Shared {
    async fn listen<F, S>(self: &Arc<Self>, tls: Tls, serve: F) -> Option<Endpoint>
    where
        F: Fn(Arc<Shared>, Line) -> S + Send + 'static,
        S: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let line = Line::plain(tcp);
                let line = match tls {
                    Tls::Implicit => line.encrypt(&shared.acceptor).await,
                    Tls::StartTls => Some(line),
                };
                if let Some(line) = line {
                    tokio::spawn(serve(shared, line));
                }
            }
        });
        Some(Endpoint { host: "127.0.0.1".into(), port, tls, server_name: "mail.example.test".into() })
    }

    /// What was submitted is signed, copied to Sent and delivered.
    pub fn submitted(&self, raw: &[u8]) {
        self.store("Sent", raw.to_vec());
        let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&self.signer.serialize_der()).unwrap();
        let signer = DkimSigner::from_key(key).domain(DOMAIN).selector("main").headers(["From", "Subject"]);
        let header = signer.sign(raw).unwrap().to_header();
        let signature = if self.fault == Fault::Unsigned { "" } else { &header };
        self.deliver([signature.as_bytes(), raw].concat());
    }

    pub fn deliver(&self, mut raw: Vec<u8>) {
        match self.fault {
            Fault::Loses => return self.store("INBOX", MEANWHILE.to_vec()),
            Fault::HoldsBack => return self.held.lock().unwrap().push(raw),
            Fault::Spoils => raw.extend(b"scanned by a filter\r\n"),
            Fault::Busy => self.store("INBOX", MEANWHILE.to_vec()),
            _ => {}
        }
        self.store("INBOX", raw);
    }

    pub fn release(&self) {
        for raw in self.held.lock().unwrap().drain(..) {
            self.store("INBOX", raw);
        }
    }

    fn store(&self, folder: &'static str, raw: Vec<u8>) {
        let mut mails = self.mails.lock().unwrap();
        let uid = mails.last().map_or(7, |last| last.uid + 3);
        mails.push(Stored { uid, folder, raw, deleted: false });
        if folder == "INBOX" && self.fault != Fault::Silent {
            self.arrivals.send_modify(|arrivals| *arrivals += 1);
        }
    }
}

/// An authority of its own, and a certificate of it for the service.
pub fn certificates() -> (Roots, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let roots = Roots::from_pem(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["mail.example.test".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (roots, TlsAcceptor::from(Arc::new(config)))
}
