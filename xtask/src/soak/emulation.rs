//! The image for the other architecture: built here, and run, under emulation if need be.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use berth_catalogue::ROLES;
use berth_role::Start;
use fs_err as fs;

use super::emulator::Emulator;
use super::{FOLDER, build};
use crate::docker::{self, Docker};
use crate::outcome::Outcome;
use crate::run::{program, run};

pub const IMAGE: &str = "berth/postbox:soak-arm64";

const PLATFORM: &str = "linux/arm64";

/// What the sample's schema asks for, of nobody's.
const SETTINGS: [&str; 7] = [
    "WEB_HOST=",
    "HELPER_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef",
    "API_SECRETS=nobodys,",
    "SRS_SECRET=",
    "WEB_SSL_KEY_PATH=",
    "WEB_SSL_CERT_PATH=",
    "DKIM_PRIVATE_KEY_PATH=/run/dkim.pem",
];

const KEY: &str = "/run/dkim.pem";

/// An emulated Node takes its time.
const PATIENCE: Duration = Duration::from_mins(5);

/// Builds it, and runs what is in it: berth-init, which lists the roles, Node under it, and a role until it is healthy.
pub fn tried(docker: &Docker) -> Result<Outcome> {
    let emulator = if docker.platform()? == PLATFORM { None } else { Some(Emulator::enter()?) };
    if let Some(Err(skipped)) = emulator {
        return Ok(skipped);
    }
    let bases = docker::bases(docker)?;
    let mut words = vec!["--platform", PLATFORM, "--tag", IMAGE];
    let mut given = Vec::new();
    if emulator.is_some() && bases.is_stand_in("node") {
        let [debian, node] = docker::with_arm64(docker, &bases)?;
        given = vec![format!("--build-arg=BASE_IMAGE={debian}"), format!("--build-arg=NODE_IMAGE={node}")];
    }
    words.extend(given.iter().map(String::as_str));
    build(&words, &[])?;
    let size: f64 = docker.done(["image", "inspect", "--format", "{{.Size}}", IMAGE])?.parse()?;
    let start = ["run", "--rm", "--network", "none", "--platform", PLATFORM];
    let roles = docker.done([&start[..], &[IMAGE]].concat())?;
    let node = docker.done([&start[..], &[IMAGE, "--", "node", "-p", "process.arch"]].concat())?;
    ensure!(node == "arm64", "node says that it is of {node}");
    Ok(Outcome::Ok(format!(
        "{:.1} MB; berth-init lists roles in {} lines, node is of {node}, {}",
        size / 1e6,
        roles.lines().count(),
        healthy(docker)?
    )))
}

/// Runs a role that has no port, and so no certificate, until it is healthy: the one whose start takes most. Says how long
/// that took.
fn healthy(docker: &Docker) -> Result<String> {
    let role = ROLES.iter().find(|role| role.ports.is_empty() && role.start == Start::Last);
    let name = role.context("there is no such role")?.name;
    let begun = Instant::now();
    let key = std::path::absolute(Path::new(FOLDER).join("dkim.pem"))?;
    run("make a key", program("openssl").args(["genpkey", "-algorithm", "RSA", "-out"]).arg(&key))?;
    fs::set_permissions(&key, Permissions::from_mode(0o444))?;
    let mount = format!("--volume={}:{KEY}:ro", key.display());
    let settings = SETTINGS.map(|setting| ["--env", setting]).concat();
    let start = ["run", "--detach", "--platform", PLATFORM, "--network", "none", &mount];
    let container = docker.done([&start[..], &settings, &[IMAGE, name]].concat())?;
    let health =
        || docker.done(["inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", &container]);
    let mut told = health()?;
    while told == "running starting" && begun.elapsed() < PATIENCE {
        sleep(Duration::from_secs(1));
        told = health()?;
    }
    let log = docker.command(["logs", "--tail", "20", &container]).output()?;
    docker.done(["rm", "--force", &container])?;
    let log = String::from_utf8_lossy(&log.stderr).into_owned() + &String::from_utf8_lossy(&log.stdout);
    ensure!(told == "running healthy", "{name} is {told}: {log}");
    Ok(format!("{name} was healthy after {:.0} s", begun.elapsed().as_secs_f32()))
}
