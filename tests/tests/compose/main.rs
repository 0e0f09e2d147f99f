//! `berth` on a Docker that is made up: what it asks, what it decides, and what it tells, on machines without any engine
//! too. One file per behaviour.
//!
//! `cargo test -p berth-tests --test compose NAME`

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod bringing_up;
mod dry_run;
mod flags;
mod full_disk;
mod images;
mod keeping;
mod overlays;
mod preflight;
mod pretend;
mod proving;
mod restarting;
mod settings;
mod stores;
mod taking_down;
