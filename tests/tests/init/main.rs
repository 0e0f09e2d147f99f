//! `berth-init`, seen from outside: one file per behaviour.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod certificates;
mod claims;
mod command_line;
mod compatibility;
mod composed;
mod exit_codes;
mod group;
mod heap;
mod listening;
mod logging;
mod metrics;
mod model;
mod needs;
mod privileges;
mod probing;
mod quiet;
mod readiness;
mod reaping;
mod restarting;
mod resting;
mod running;
mod settings;
mod signals;
mod states;
mod stopping;
mod stores;
mod surroundings;
mod system_calls;
mod terminal;
mod trial;
mod verdicts;
mod wedged;
