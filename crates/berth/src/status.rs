//! `berth status`: how each role is, once or again every second.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use berth_engine::{Engine, Local, Seen, State};
use serde::Serialize;

use crate::stdout::print;
use crate::{arguments, open, problem, table};

const AGAIN: Duration = Duration::from_secs(1);

/// What `berth status --json` prints: docs/reference/berth.md.
#[derive(Serialize)]
struct Report {
    /// Whether it is wanted at all: false after `berth down`.
    up: bool,
    /// Whether all that is wanted is ready.
    ready: bool,
    roles: Vec<Seen>,
}

pub fn run(state: Option<PathBuf>, arguments: &arguments::Status) -> anyhow::Result<ExitCode> {
    let engine = open::engine(&open::folder(state)?);
    let redraw = stdout().is_terminal() && !arguments.json;
    loop {
        let report = look(&engine)?;
        let text = match (arguments.json, arguments.watch) {
            (true, true) => serde_json::to_string(&report)? + "\n",
            (true, false) => serde_json::to_string_pretty(&report)? + "\n",
            _ if report.up => table::roles(&report.roles),
            _ => "  nothing is up here: berth up\n".to_owned(),
        };
        if !arguments.watch {
            print(&text);
            return Ok(if report.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        // Home, and clear to the end of the screen (ECMA-48 CUP and ED).
        print(&if redraw { format!("\x1b[H\x1b[J{text}") } else { text });
        sleep(AGAIN);
    }
}

fn look(engine: &Local) -> anyhow::Result<Report> {
    let up = engine.wanted().map_err(problem::of)?.is_some();
    let roles = engine.status().map_err(problem::of)?;
    Ok(Report { up, ready: up && roles.iter().all(|seen| seen.state == State::READY), roles })
}
