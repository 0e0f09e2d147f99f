//! Supervising, as both a role and a plain program need it.

use std::process::ExitCode;

use anyhow::Context;
use berth_control::{Address, Listener};
use berth_report::{Code, Problem, dropped, start_log};
use berth_supervise::machine::Plan;
use berth_supervise::{Charge, Inherited, Program, run};
use tracing::warn;

use crate::own::Own;

/// Supervises until the end. `inherited` was taken first of all, so that a signal that came since is not lost.
pub fn serve(
    own: &Own,
    plan: &Plan,
    charge: &mut impl Charge,
    program: Program,
    inherited: Inherited,
) -> anyhow::Result<ExitCode> {
    start_log(own.log_format, own.log.as_deref());
    let control = own.control().unwrap_or_else(|error| {
        warn!(%error, "nobody can ask this init: without /proc its control socket has no name");
        None
    });
    // Not to keep a file system busy that somebody wants to unmount.
    std::env::set_current_dir("/").context("cannot change to the folder /")?;
    // An init waits for a handful of files, and room for 1,024 answers (the default) is a page more that stays.
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_io_events_per_tick(16).enable_all().build()?;
    let code = runtime.block_on(async {
        let listener = match &control {
            Some(address) => listen(address, own.has_control_by_right())?,
            None => None,
        };
        run(plan, charge, program, inherited, listener).await.context("the supervisor failed")
    });
    // The process ends with us: to put the runtime away takes time, and longer where a resolver does not answer.
    std::mem::forget(runtime);
    let code = code?;
    if dropped() > 0 {
        warn!(lines = dropped(), "log lines were dropped: nobody read them");
    }
    Ok(ExitCode::from(code))
}

/// Listens for whoever asks. An init without it is worth more than none, but two on one socket are a mistake.
fn listen(address: &Address, by_right: bool) -> Result<Option<Listener>, Problem> {
    match Listener::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !by_right => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(Problem::new(Code::Failure, format!("an init answers at {address} already"))
                .hint("stop that one first, or give this one another BERTH_CONTROL"))
        }
        Err(error) => {
            warn!(%error, %address, "nobody can ask this init: no control socket");
            Ok(None)
        }
    }
}
