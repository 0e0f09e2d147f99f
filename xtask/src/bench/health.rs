//! One health check, as a whole process, beside what images of mail services use for it.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::Effort;
use super::figures::{Row, Table, median};
use super::standing::{STATE, Standing, Started};
use crate::run::{program, say};

/// What ours is put beside.
pub const BESIDE: &str = "curl";
pub const OURS: &str = "berth-init health";
pub const NODE: &str = "a script for Node";
const NOTHING: &str = "true";
const CONNECT: &str = "nc -z (connects, asks nothing)";

/// What is asked, of the first role with such a port.
const ASKED: [&str; 3] = ["https", "starttls", "imaps"];
pub const HTTPS_CPU: &str = "HTTPS, CPU ms";
pub const STARTTLS_CPU: &str = "SMTP with STARTTLS, CPU ms";
pub const IMAPS_CPU: &str = "IMAPS, CPU ms";
const COLUMNS: [&str; 6] =
    [HTTPS_CPU, "HTTPS, ms", STARTTLS_CPU, "SMTP with STARTTLS, ms", IMAPS_CPU, "IMAPS, ms"];

/// Measures all of them in turns, each on every protocol.
pub fn measured(standing: &Standing, effort: Effort) -> Result<Table> {
    let started = standing.started()?;
    let names = [OURS, BESIDE, NODE, CONNECT, NOTHING];
    let mut figures: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); COLUMNS.len()]; names.len()];
    for (at, service) in ASKED.iter().enumerate() {
        say(&format!("health checks: {service}"));
        let role = started.iter().find(|one| one.speaks() == Some(service));
        let mut commands = commands(standing, role.context("no role has such a port")?, service)?;
        for _ in 0..effort.rounds {
            for (command, figures) in commands.iter_mut().zip(&mut figures) {
                let (processor, wall) = taken(command)?;
                figures[2 * at].push(processor);
                figures[2 * at + 1].push(wall);
            }
        }
    }
    let rows = names.iter().zip(figures).map(|(name, figures)| Row {
        name: (*name).to_owned(),
        medians: figures.into_iter().map(median).collect(),
    });
    Ok(Table {
        title: "one check",
        columns: COLUMNS.to_vec(),
        rows: rows.collect(),
        beside: BESIDE.to_owned(),
    })
}

/// What asks one role, in the order of the rows.
fn commands(standing: &Standing, role: &Started, service: &str) -> Result<[Command; 5]> {
    let port = role.port()?.to_string();
    let authority = std::path::absolute(format!("{STATE}/tls/chain.pem"))?;
    let mut curl = program("curl");
    curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null", "--cacert"]).arg(&authority);
    match service {
        "https" => curl.arg(format!("https://localhost:{port}/")),
        "starttls" => curl.args(["--ssl-reqd", "--request", "NOOP"]).arg(format!("smtp://localhost:{port}")),
        _ => curl.args(["--request", "CAPABILITY"]).arg(format!("imaps://localhost:{port}")),
    };
    let mut node = program(&standing.programs.node);
    node.arg(std::path::absolute("xtask/tools/health.js")?).args([service, &port]).arg(authority);
    let mut connect = program("nc");
    connect.args(["-z", "localhost", &port]);
    Ok([role.asked(&["health"])?, curl, node, connect, program("true")])
}

/// What a process took on a processor with its children, and how long it was; milliseconds.
fn taken(command: &mut Command) -> Result<(f64, f64)> {
    let processor = || -> Result<i64> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok((usage.user_time() + usage.system_time()).num_microseconds())
    };
    let before = processor()?;
    let begun = Instant::now();
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let took = begun.elapsed();
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} ended with {}: {told}",
        command.get_program().display(),
        output.status
    );
    let processor = u32::try_from(processor()? - before)?;
    Ok((f64::from(processor) / 1e3, took.as_secs_f64() * 1e3))
}
