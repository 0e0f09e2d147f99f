//! `berth logs`: what the roles wrote, each line with its role's name when there are several.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::called;
use berth_engine::{Engine, EngineError};
use berth_report::{Code, Problem};

use crate::{again, arguments, open, problem};

pub fn run(state: Option<PathBuf>, arguments: &arguments::Logs) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let engine = open::engine(&folder);
    let names = if let Some(name) = &arguments.role {
        let name = called(name)?.name;
        if !folder.log(name).exists() {
            let problem =
                Problem::new(Code::Unavailable, format!("{name} has written no log here: it never ran"));
            return Err(problem.hint(format!("what runs: {}", again::berth("status"))).into());
        }
        vec![name.to_owned()]
    } else {
        let logs = |role: &&&berth_role::Role| folder.log(role.name).exists();
        berth_catalogue::ROLES.iter().filter(logs).map(|role| role.name.to_owned()).collect()
    };
    let width = names.iter().map(String::len).max().filter(|_| names.len() > 1);
    let mut take = |name: &str, line: &str| {
        let mut stdout = io::stdout();
        match width {
            Some(width) => writeln!(stdout, "{name:<width$} | {line}"),
            None => writeln!(stdout, "{line}"),
        }
    };
    match engine.logs(&names, arguments.lines, arguments.follow, &mut take) {
        // Whoever reads has seen enough.
        Err(EngineError::File(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done.map_err(problem::of).context("cannot show the logs")?,
    }
    Ok(ExitCode::SUCCESS)
}
