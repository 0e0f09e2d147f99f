//! Starts every role of the image that was built, and waits until each is healthy: before any tag moves.
//!
//! The sample needs no stores, so its roles are started bare, in one network namespace that reaches nobody, which takes
//! seconds. Another application is brought up with its stores, as an operator does it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use berth_catalogue::ROLES;
use fs_err as fs;

use super::FOLDER;
use super::build::{ARCHIVE, TAG};
use super::installation::with_installation;
use super::notes::Built;
use crate::docker::Docker;
use crate::run::{program, run, say};

/// For twelve roles on two busy cores.
const PATIENCE: Duration = Duration::from_mins(5);

/// What every role of the sample is told; of nobody's.
const SETTINGS: [&str; 10] = [
    "WEB_HOST=example.test",
    "HELPER_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef",
    "API_SECRETS=nobodys,",
    "SRS_SECRET=nobodys",
    "WEB_SSL_KEY_PATH=/run/keys/tls.key",
    "WEB_SSL_CERT_PATH=/run/keys/tls.pem",
    "DKIM_PRIVATE_KEY_PATH=/run/keys/dkim.pem",
    "SMTP_PORT=2465",
    "SQLITE_TMPDIR=/mnt/tmp",
    "NODE_ENV=production",
];

/// For the platform of this engine. Another one's roles are started where it is native, by the workflow's other job; one
/// of them under emulation, by `cargo xtask soak arm64`.
pub fn every_role(docker: &Docker) -> Result<()> {
    let platform = docker.platform()?;
    let built = Built::all()?;
    for other in built.iter().filter(|built| built.platform != platform) {
        say(&format!(
            "roles for {} are not started here; cargo xtask soak arm64 starts one under emulation",
            other.platform
        ));
    }
    let Some(own) = built.into_iter().find(|built| built.platform == platform) else { return Ok(()) };
    run(
        "load it",
        docker.command(["load", "--quiet", "--input"]).arg(Built::folder(&platform).join(ARCHIVE)),
    )?;
    let label =
        docker.done(["image", "inspect", "--format", r#"{{index .Config.Labels "berth.sample"}}"#, TAG])?;
    let begun = Instant::now();
    let started = if label.is_empty() {
        with_installation(docker, TAG, &[], |_| Ok(()))
    } else {
        Bare::start(docker).and_then(|bare| bare.healthy())
    };
    docker.ask(["image", "rm", TAG]);
    started?;
    Built { booted: true, ..own }.write()?;
    say(&format!("{} roles were healthy within {:.0} s", ROLES.len(), begun.elapsed().as_secs_f32()));
    Ok(())
}

/// The sample's roles. They go when this does.
struct Bare<'a> {
    docker: &'a Docker,
    name: String,
    keys: PathBuf,
}

impl<'a> Bare<'a> {
    fn start(docker: &'a Docker) -> Result<Self> {
        let keys = std::path::absolute(Path::new(FOLDER).join("keys"))?;
        make_keys(&keys)?;
        let bare = Self { docker, name: format!("berth-release-{}", std::process::id()), keys };
        docker.done(["volume", "create", &bare.name])?;
        let mut first: Option<String> = None;
        for role in ROLES {
            let container = bare.container(role.name);
            let network = first.as_ref().map_or("none".to_owned(), |first| format!("container:{first}"));
            let mut start = docker.command(["run", "--detach", "--name", &container, "--network", &network]);
            start.args([
                "--read-only",
                "--tmpfs=/tmp",
                "--cap-drop=ALL",
                "--security-opt=no-new-privileges=true",
            ]);
            start.arg(format!("--volume={}:/mnt", bare.name));
            start.arg(format!("--volume={}:/run/keys:ro", bare.keys.display()));
            start.args(SETTINGS.map(|setting| format!("--env={setting}")));
            let ended = start.args([TAG, role.name]).output().context("cannot run docker")?;
            ensure!(
                ended.status.success(),
                "{}: {}",
                role.name,
                String::from_utf8_lossy(&ended.stderr).trim()
            );
            first.get_or_insert(container);
        }
        Ok(bare)
    }

    fn container(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    fn healthy(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let waiting = ROLES.iter().map(|role| Ok((role.name, self.state(role.name)?)));
            let waiting = waiting.collect::<Result<Vec<_>>>()?;
            for (role, state) in &waiting {
                ensure!(state.starts_with("running"), "{role} is {state}: {}", self.log(role));
            }
            let waiting: Vec<_> = waiting.iter().filter(|(_, state)| state != "running healthy").collect();
            let Some((role, state)) = waiting.first() else { return Ok(()) };
            if begun.elapsed() > PATIENCE {
                bail!("{role} is {state} after {} s: {}", PATIENCE.as_secs(), self.log(role));
            }
            sleep(Duration::from_millis(500));
        }
    }

    fn state(&self, role: &str) -> Result<String> {
        let format = "{{.State.Status}} {{.State.Health.Status}}";
        self.docker.done(["inspect", "--format", format, &self.container(role)])
    }

    fn log(&self, role: &str) -> String {
        let mut logs = self.docker.command(["logs", "--tail", "20", &self.container(role)]);
        let said = |output: std::process::Output| [output.stdout, output.stderr].concat();
        logs.output().map(said).map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default()
    }
}

impl Drop for Bare<'_> {
    fn drop(&mut self) {
        let containers = ROLES.iter().map(|role| self.container(role.name));
        let words = ["rm", "--force", "--volumes"].map(str::to_owned).into_iter().chain(containers);
        self.docker.ask(words);
        self.docker.ask(["volume", "rm", "--force", &self.name]);
        let _ = fs::remove_dir_all(&self.keys);
    }
}

/// Readable by whatever user roles run as; they open nothing.
fn make_keys(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let [tls, certificate, dkim] = ["tls.key", "tls.pem", "dkim.pem"].map(path);
    let mut make = program("openssl");
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
    ]);
    make.args(["-subj", "/CN=example.test", "-addext", "subjectAltName=DNS:example.test,DNS:*.example.test"]);
    run("make a certificate", make.args(["-keyout", &tls, "-out", &certificate]))?;
    let mut make = program("openssl");
    run("make a key for DKIM", make.args(["genpkey", "-algorithm", "RSA", "-out", &dkim]))?;
    for file in [tls, certificate, dkim] {
        fs::set_permissions(file, Permissions::from_mode(0o444))?;
    }
    Ok(())
}
