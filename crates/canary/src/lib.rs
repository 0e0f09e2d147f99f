//! The proof that a mail goes through, as a stranger's mail client and a stranger's mail server see it.
//!
//! [`prove`] signs in over IMAP and waits in IDLE, submits a mail from a mailbox to itself, is told of it, fetches it,
//! compares it and verifies its DKIM signature; lets a mail come in from outside through MX; sees refused what has to
//! be refused; and removes what it made. [`latency`] measures how soon a mailbox's owner is told of a mail.
//!
//! Invariants: every step has a deadline, so that no server can hold it up; nothing is sent unless it can be removed,
//! and it is removed after a failure too; only the given authorities are trusted; a password is sent over TLS only and
//! shown to nobody; no DNS is asked for keys; it knows no role and no engine.
//!
//! ```no_run
//! use berth_canary::{Endpoint, Mailbox, Roots, Service, Tls, prove};
//! # async fn example(ca: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let at = |port, tls| Endpoint { host: "127.0.0.1".into(), port, tls, server_name: "example.test".into() };
//! let service = Service {
//!     domain: "example.test".into(),
//!     submission: at(2465, Tls::Implicit),
//!     mx: at(2525, Tls::StartTls),
//!     imap: at(2993, Tls::Implicit),
//!     roots: Roots::from_pem(ca)?,
//!     dkim: None,
//!     deadline: berth_canary::DEADLINE,
//! };
//! let mailbox = Mailbox { address: "somebody@example.test".into(), password: "secret".into() };
//! let proof = prove(&service, &mailbox, &mut |step| println!("{}: {:?}", step.says, step.outcome)).await;
//! assert!(proof.passed());
//! # Ok(())
//! # }
//! ```

mod dkim;
mod failure;
mod imap;
mod message;
mod proof;
mod prove;
mod service;
mod smtp;

pub use failure::Failure;
pub use proof::{Outcome, Proof, Step};
pub use prove::{latency, prove};
pub use service::{DEADLINE, DkimRecord, Endpoint, Mailbox, Password, Roots, RootsError, Service, Tls};
