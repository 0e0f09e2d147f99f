//! `berth-init`: the PID 1 of a mail service's container, or the keeper of one of its roles outside of one.
//!
//! Called with a role's name it checks the settings, waits for what the role needs, starts its Node program,
//! forwards signals, reaps orphans, knows whether it is ready, and drains it on stop. Called with `--` it is a
//! plain init for any program. The same file is the health probe and the client of a running init.

use std::process::ExitCode;

use berth_report::exit;

mod account;
mod application;
mod ask;
mod check;
mod command_line;
mod engines;
mod explain;
mod health;
mod heap;
mod list;
mod locate;
mod metrics;
mod needs;
mod openmetrics;
mod own;
mod pem;
mod plain;
mod powers;
mod print;
mod review;
mod role;
mod serve;
mod times;
mod whose;

use command_line::Wish;

/// musl's own has a page for each size of a thing, and an init has few things of many sizes: docs/decisions/0010-memory-at-rest.md
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[expect(unsafe_code, reason = "the allocator has no other way to be told that we fork")]
fn main() -> ExitCode {
    // SAFETY: we are one thread yet, so nobody holds the allocator's lock. From now on a fork waits for whoever does, a resolver's
    // thread say, or what a child allocates before it becomes the program would wait for ever.
    unsafe { dlmalloc::enable_alloc_after_fork() };
    let wish = match command_line::read() {
        Ok(wish) => wish,
        Err(told) => return told,
    };
    exit(match wish {
        Wish::List { json } => list::run(json),
        Wish::Health { live, json } => health::run(live, json),
        Wish::Status { json } => ask::status(json),
        Wish::Metrics => metrics::run(),
        Wish::Restart => ask::restart(),
        Wish::Check { role, json } => check::run(role, json),
        Wish::Explain { role, json } => explain::run(role, json),
        Wish::Role(name) => role::supervise(&name),
        Wish::Program { words, settings, as_role } => plain::supervise(&words, settings, as_role),
    })
}
