//! Starts one program, keeps it, and stops it as it should be stopped.
//!
//! The supervisor of a container's PID 1, or of a process outside one: it forwards signals, reaps orphans,
//! waits for what the program needs, learns when it is ready, drains it, starts it again within a budget, and
//! ends with its exit code. [`machine`] decides, [`run`] does.
//!
//! How it works: all signals are blocked and read from a signalfd; one loop on one thread waits for them, for
//! the program's readiness message, for the control socket, and for the next deadline if there is one. At rest
//! there is none, so it never wakes, unless it was told to watch whether the program lives.
//!
//! Invariants: knows no role by name, reads no settings; owns every `waitpid` of the process, so nothing else
//! may spawn in it; the program gets the signal mask and dispositions that we were started with; never
//! `kill(-1)`; signals only descendants, and only through a `/proc` that is ours.
//!
//! ```
//! use std::time::Duration;
//! use berth_supervise::machine::{Action, Conduct, Event, Machine, Plan};
//! let plan = Plan { conduct: Conduct::Plain, need_within: Duration::MAX, restart: None, watch: None };
//! let (mut machine, first) = Machine::new(&plan, 7);
//! assert_eq!(first, [Action::AskNeeds]);
//! assert_eq!(machine.step(&plan, Duration::ZERO, Event::NeedsAnswered), [Action::Start]);
//! assert_eq!(machine.step(&plan, Duration::ZERO, Event::Started), []);
//! assert_eq!(machine.deadline(&plan), None); // at rest
//! ```

mod account;
mod channel;
mod charge;
mod connections;
mod descendants;
mod exit;
mod inherited;
mod listening;
pub mod machine;
mod privileges;
mod reap;
mod rest;
mod restart;
mod run;
mod signals;
mod spawn;
mod terminal;
mod verdict;

pub use charge::{Charge, Life, Waiting};
pub use exit::Exit;
pub use inherited::Inherited;
pub use privileges::{User, become_user, has_capabilities, may_bind_service};
pub use restart::Budget;
pub use run::run;
pub use spawn::{Program, Runtime};
