//! `berth logs`: what the roles wrote, each line with its role's name when there are several, and on a terminal as a
//! person reads it.

use std::io::{self, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::{called, names};
use berth_engine::EngineError;
use berth_report::{Code, Problem};

use crate::interrupts::Interrupts;
use crate::{again, arguments, log_line, open, problem};

pub fn run(state: Option<PathBuf>, arguments: &arguments::Logs) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let engine = open::engine(&folder)?;
    let mut written = engine.written().map_err(problem::of)?;
    let chosen = match &arguments.role {
        Some(name) if written.contains(name) => vec![name.clone()],
        Some(name) => {
            let name = called(name)?.name;
            let problem =
                Problem::new(Code::Unavailable, format!("{name} has written no log here: it never ran"));
            return Err(problem.hint(format!("what runs: {}", again::berth("status"))).into());
        }
        None => {
            // As the roles are shown everywhere; what stands beside them comes after them.
            let place = |name: &String| names().position(|role| role == name).unwrap_or(usize::MAX);
            written.sort_by_key(place);
            written
        }
    };
    let interrupts = Interrupts::count()?;
    let width = chosen.iter().map(String::len).max().filter(|_| chosen.len() > 1);
    let readable = stdout().is_terminal() && !arguments.json;
    let mut take = |name: &str, line: &str| {
        let mut stdout = io::stdout();
        match width {
            _ if readable => writeln!(stdout, "{}", log_line::readable(name, line)),
            Some(width) => writeln!(stdout, "{name:<width$} | {line}"),
            None => writeln!(stdout, "{line}"),
        }
    };
    let is_over = || interrupts.so_far() > 0;
    match engine.logs(&chosen, arguments.lines, arguments.follow, &is_over, &mut take) {
        // Whoever reads has seen enough.
        Err(EngineError::File(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done.map_err(problem::of).context("cannot show the logs")?,
    }
    Ok(ExitCode::SUCCESS)
}
