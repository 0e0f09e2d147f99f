//! Every check against small services that answer rightly, wrongly, late, in pieces, without end, or not at all.
#![expect(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

mod arbitrary;
mod certificate;
mod faults;
mod hostile;
mod http;
mod live;
mod mail;
mod mongodb;
mod redis;
mod service;
mod stores;
