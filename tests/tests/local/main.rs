//! The embedded engine, seen from outside: `berth` brings the sample application up on this host, and clients that
//! nobody here wrote use it. One file per behaviour.
//!
//! What a test found out, and not only whether it is well, goes to stderr past the harness: mails sent, accepted
//! and found, times.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod adopting;
mod api;
mod bad_input;
mod bringing_up;
mod clients;
mod command_line;
mod dav;
mod documents;
mod faults;
mod full_storage;
mod health;
mod odd_conduct;
mod pop3;
mod proving;
mod quiet;
mod redis;
mod refusing_mail;
mod refusing_to_start;
mod service;
mod status;
mod stopping;
mod stores;
mod terminal;
mod web;
mod workers;
