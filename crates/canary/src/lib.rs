//! The proof that a mail goes through, as a stranger's mail client and a stranger's mail server see it.
//!
//! [`prove`] signs in over IMAP and waits in IDLE, submits a mail from a mailbox to itself, is told of it, fetches it,
//! compares it and verifies its DKIM signature; lets a mail come in from outside through MX; sees the first one over
//! POP3, the API and the web page; has an event and a contact kept; sees refused what has to be refused; and removes
//! what it made. What a service has no door for is not offered, and no failure;
//! nor is a mail by submission where it is not carried on. [`protocols`] goes as far as one gets
//! without a mailbox. [`latency`] measures how soon a mailbox's owner is told of a mail.
//!
//! Invariants: every step has a deadline, so that no server can hold it up; nothing is sent unless it can be removed,
//! and it is removed after a failure or an interruption too; only the given authorities are trusted; a password is sent
//! over TLS only and shown to nobody; no DNS is asked for keys; it knows no role and no engine.
//!
//! ```no_run
//! use berth_canary::{Doors, Endpoint, Mailbox, Roots, Service, Tls, prove};
//! # async fn example(ca: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let at = |port, tls| {
//!     Some(Endpoint { host: "127.0.0.1".into(), port, tls, server_name: "example.test".into() })
//! };
//! let service = Service {
//!     domain: "example.test".into(),
//!     doors: Doors {
//!         submission: at(2465, Tls::Implicit),
//!         mx: at(2525, Tls::StartTls),
//!         imap: at(2993, Tls::Implicit),
//!         ..Doors::default()
//!     },
//!     delivers: true,
//!     roots: Roots::from_pem(ca)?,
//!     dkim: None,
//!     deadline: berth_canary::DEADLINE,
//! };
//! let mailbox = Mailbox { address: "somebody@example.test".into(), password: "secret".into() };
//! let never = std::future::pending();
//! let proof = prove(&service, &mailbox, never, &mut |step| println!("{}: {:?}", step.says, step.outcome)).await;
//! assert!(proof.passed());
//! # Ok(())
//! # }
//! ```

mod api;
mod connect;
mod dav;
mod dkim;
mod failure;
mod http;
mod imap;
mod inbox;
mod item;
mod latency;
mod message;
mod pop3;
mod proof;
mod protocols;
mod prove;
mod service;
mod smtp;
mod teller;
mod web;

pub use failure::Failure;
pub use latency::latency;
pub use proof::{Extent, Outcome, Proof, Step};
pub use protocols::protocols;
pub use prove::prove;
pub use service::{
    DEADLINE, DkimRecord, Doors, Endpoint, Mailbox, Password, Roots, RootsError, Service, Tls,
};
