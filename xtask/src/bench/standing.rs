//! An installation of the benchmark's own, on the embedded engine, with ports of its own.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use berth_role::{Port, Tls};
use fs_err as fs;
use serde_json::Value;

use crate::programs::Programs;
use crate::run::{ask, program};

/// Where it is.
pub const STATE: &str = "target/bench/state";

/// Keeps its ports apart from those of a service that is up.
const OFFSET: &str = "26000";

/// An init gives back what it took to answer a quarter of a second after the last question.
pub const AFTER_A_QUESTION: Duration = Duration::from_millis(500);

/// So long may roles take to be ready.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A service that is up; it is taken down at the end.
pub struct Standing {
    pub programs: Programs,
}

/// How an init was started: what it takes to start one like it, and to ask it.
pub struct Started {
    pub role: String,
    pub init: u32,
    pub main: u32,
    words: Vec<String>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
}

impl Standing {
    /// A new installation.
    pub fn new(programs: Programs) -> Result<Self> {
        let _ = fs::remove_dir_all(STATE);
        let standing = Self { programs };
        standing.up(&["--detach", "--no-prove"])?;
        standing.settled()?;
        Ok(standing)
    }

    /// `berth up`, and what it said.
    pub fn up(&self, arguments: &[&str]) -> Result<String> {
        let Programs { berth, init, node, app } = &self.programs;
        let mut up = program(berth);
        up.args(["up", "--state", STATE, "--port-offset", OFFSET, "--app"]).arg(app);
        up.arg("--node").arg(node).arg("--init").arg(init).args(arguments);
        let output = up.output().context("cannot run berth")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { bail!("`berth up` failed: {said}") }
    }

    /// Another command of `berth`, and what it printed.
    pub fn berth(&self, arguments: &[&str]) -> Result<String> {
        let output = ask(program(&self.programs.berth).args(arguments).args(["--state", STATE]));
        output.with_context(|| format!("`berth {}` failed", arguments.join(" ")))
    }

    /// Waits until every role is ready, which `berth status` tells by its exit code.
    pub fn settled(&self) -> Result<()> {
        let begun = Instant::now();
        while self.berth(&["status"]).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("not every role got ready");
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// How each init was started.
    pub fn started(&self) -> Result<Vec<Started>> {
        let status: Value = serde_json::from_str(&self.berth(&["status", "--json"])?)?;
        let roles = status["roles"].as_array().context("a status lists the roles")?;
        roles.iter().map(Started::read).collect()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = self.berth(&["down"]);
    }
}

impl Started {
    fn read(seen: &Value) -> Result<Self> {
        let role = seen["role"].as_str().context("a role has a name")?.to_owned();
        let pid = |key: &str| {
            let pid = seen[key].as_u64().and_then(|pid| u32::try_from(pid).ok());
            pid.with_context(|| format!("{role} has no {key} process"))
        };
        let (init, main) = (pid("init")?, pid("main")?);
        let words = |file: &str| -> Result<Vec<String>> {
            let text = fs::read_to_string(format!("/proc/{init}/{file}"))?;
            Ok(text.split_terminator('\0').map(str::to_owned).collect())
        };
        let pairs = words("environ")?.into_iter();
        let pairs = pairs
            .filter_map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
        let folder = fs::read_link(format!("/proc/{main}/cwd"))?;
        let words = words("cmdline")?;
        Ok(Self { role, init, main, words, environment: pairs.collect(), folder })
    }

    /// The same init with these words.
    pub fn asked(&self, words: &[&str]) -> Result<Command> {
        let mut command = program(self.words.first().context("a process has a name")?);
        command.args(words).env_clear().envs(self.environment.iter().cloned()).current_dir(&self.folder);
        Ok(command)
    }

    /// The same init once more.
    pub fn again(&self) -> Result<Command> {
        let rest: Vec<_> = self.words.iter().skip(1).map(String::as_str).collect();
        self.asked(&rest)
    }

    /// What is spoken on its role's port, if it has one: the name of the service (RFC 6335), or that it begins without TLS.
    pub fn speaks(&self) -> Option<&'static str> {
        let port = self.first_port()?;
        Some(if port.tls == Tls::StartTls { "starttls" } else { port.name })
    }

    /// The port on which its role listens.
    pub fn port(&self) -> Result<u16> {
        let key = self.first_port().with_context(|| format!("{} has no port", self.role))?.setting;
        let value = self.environment.iter().find(|(name, _)| name == key).map(|(_, value)| value.parse());
        value.with_context(|| format!("{key} is not set"))?.with_context(|| format!("{key} is no port"))
    }

    fn first_port(&self) -> Option<&'static Port> {
        berth_catalogue::find(&self.role)?.ports.first()
    }
}
