//! Images for the other architecture: the sample's is built here and run, under emulation if need be, and so is one of an
//! application with a package that has to be compiled, by a compiler of that architecture.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use berth_catalogue::ROLES;
use berth_role::Start;
use fs_err as fs;
use serde_json::Value;

use super::emulator::Emulator;
use super::{FOLDER, build};
use crate::build_image;
use crate::docker::{self, Docker};
use crate::outcome::Outcome;
use crate::run::{program, run};

pub const IMAGE: &str = "berth/postbox:soak-arm64";

/// Of the application with a package that has to be compiled.
pub const COMPILED: &str = "berth/application:soak-arm64";

const APPLICATION: &str = "tests/fixtures/application";

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

/// Builds them, and runs what is in the sample's: berth-init, which lists the roles, Node under it, and a role until it is
/// healthy; and the package that was compiled.
pub fn tried(docker: &Docker) -> Result<Outcome> {
    let emulator = if docker.platform()? == PLATFORM { None } else { Some(Emulator::enter()?) };
    if let Some(Err(skipped)) = emulator {
        return Ok(skipped);
    }
    let bases = docker::bases(docker)?;
    let mut words = vec!["--platform", PLATFORM];
    let mut given = Vec::new();
    if emulator.is_some() && bases.is_stand_in("node") {
        let [debian, node, builder] = docker::with_arm64(docker, &bases)?;
        let arguments = [("BASE_IMAGE", debian), ("NODE_IMAGE", node), ("BUILDER_IMAGE", builder)];
        given = arguments.map(|(name, image)| format!("--build-arg={name}={image}")).into();
    }
    words.extend(given.iter().map(String::as_str));
    build(&[&words[..], &["--tag", IMAGE]].concat(), &[])?;
    let size: f64 = docker.done(["image", "inspect", "--format", "{{.Size}}", IMAGE])?.parse()?;
    let start = ["run", "--rm", "--network", "none", "--platform", PLATFORM];
    let roles = docker.done([&start[..], &[IMAGE]].concat())?;
    let node = docker.done([&start[..], &[IMAGE, "--", "node", "-p", "process.arch"]].concat())?;
    ensure!(node == "arm64", "node says that it is of {node}");
    let healthy = healthy(docker)?;
    let compiled = compiled(docker, &words)?;
    Ok(Outcome::Ok(format!(
        "{:.1} MB; berth-init lists roles in {} lines, node is of {node}, {healthy}; {compiled}",
        size / 1e6,
        roles.lines().count(),
    )))
}

/// Builds the application with a package that has to be compiled, and has it say that the package is good. Says how long the
/// build took.
fn compiled(docker: &Docker, words: &[&str]) -> Result<String> {
    let begun = Instant::now();
    let application = for_any_node()?;
    let own = ["--app", &application, "--tag", COMPILED, "--build-arg=LICENCES_OF=paypal-rest-sdk"];
    build(&[words, &own].concat(), &[])?;
    let took = begun.elapsed();
    let start = ["run", "--rm", "--network", "none", "--platform", PLATFORM, COMPILED, "--", "node"];
    let told = docker.done([&start[..], &["web.js"]].concat())?;
    let told: Value = serde_json::from_str(&told).with_context(|| format!("it said {told:?}"))?;
    ensure!(told["compiled"] == "function", "the package that was compiled is not good: {told}");
    Ok(format!("a package was compiled, and the image built, in {:.0} s", took.as_secs_f32()))
}

/// A copy of it that takes the Node that there is here.
fn for_any_node() -> Result<String> {
    let copy = Path::new(FOLDER).join("application");
    build_image::copy(APPLICATION, &copy)?;
    let manifest = copy.join("package.json");
    let mut told: Value = serde_json::from_str(&fs::read_to_string(&manifest)?)?;
    told["engines"]["node"] = ">=22".into();
    fs::write(manifest, told.to_string())?;
    Ok(copy.display().to_string())
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
