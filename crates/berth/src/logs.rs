//! `berth logs`: what the roles wrote, each line with its role's name when there are several, and on a terminal as a
//! person reads it.

use std::io::{self, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::{called, names};
use berth_engine::{Engine, EngineError, Folder, Kind};
use berth_report::{Code, Problem};

use crate::interrupts::Interrupts;
use crate::{again, arguments, log_line, open, problem};

/// The name of a role, or of something else that is wanted here.
fn called_here(engine: &dyn Engine, name: &str) -> anyhow::Result<String> {
    let here = engine.status().map_err(problem::of)?.into_iter().map(|seen| seen.name);
    let known = here.into_iter().find(|here| here == name);
    known.map_or_else(|| Ok(called(name)?.name.to_owned()), Ok)
}

/// Why there is no log to show, and what to do.
fn nothing(folder: &Folder, engine: &dyn Engine, name: Option<&str>) -> anyhow::Result<Problem> {
    let containers = Kind::of(folder).map_err(problem::of)? == Some(Kind::Compose);
    let wanted = engine.wanted().map_err(problem::of)?;
    let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
    let is_wanted = |name: &str| {
        let mut instances = wanted.iter().flat_map(|wanted| &wanted.instances);
        instances.any(|instance| instance.name == name)
    };
    let (why, words) = match name {
        _ if wanted.is_none() && containers => {
            ("nothing is up here; what was is removed, and its log with it".to_owned(), "up")
        }
        _ if wanted.is_none() => ("nothing is up here, and it has not run before".to_owned(), "up"),
        Some(name) if !is_wanted(name) => (format!("{name} is not among what is up here"), "status"),
        _ if containers => ("its container is removed, and its log with it".to_owned(), "up"),
        _ => ("it has not run yet".to_owned(), "up"),
    };
    let hint = match words {
        "up" => format!("bring it up: {}", again::berth("up")),
        _ => format!("what is up: {}", again::berth("status")),
    };
    let problem = Problem::new(Code::Unavailable, format!("there is no log{of}"));
    Ok(problem.because(anyhow::anyhow!(why)).hint(hint))
}

pub fn run(state: Option<PathBuf>, arguments: &arguments::Logs) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let engine = open::engine(&folder)?;
    let mut written = engine.written().map_err(problem::of)?;
    let chosen = match &arguments.role {
        Some(name) if written.contains(name) => vec![name.clone()],
        Some(name) => {
            let name = called_here(&*engine, name)?;
            return Err(nothing(&folder, &*engine, Some(&name))?.into());
        }
        None if written.is_empty() => return Err(nothing(&folder, &*engine, None)?.into()),
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
