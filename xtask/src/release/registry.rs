//! A registry of this machine, for whoever tries a release: nobody else can reach it.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;

use super::target::Target;
use super::{FOLDER, programs};
use crate::run::{program, say};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that we serve. It ends with us; what was pushed stays in `target/publish/registry`.
pub struct Registry(Child);

impl Registry {
    /// Starts one where it is to be on this machine and nobody is.
    pub fn if_none_answers(target: &Target) -> Result<Option<Self>> {
        if !target.is_local() || answers(target)? {
            return Ok(None);
        }
        Self::start(target).map(Some)
    }

    fn start(target: &Target) -> Result<Self> {
        let data = data()?;
        let registry = server(target, &data)?;
        // It ends with us, though we are killed.
        let mut serve = program("setpriv");
        serve.args(["--pdeathsig", "KILL", "--"]).arg(registry.get_program()).args(registry.get_args());
        // It calls an error what is a question answered with no.
        let log = fs::File::create(data.join("log"))?;
        let served = serve.stderr(log.into_parts().0).spawn().context("cannot run a registry")?;
        let mut registry = Self(served);
        let begun = Instant::now();
        while !answers(target)? {
            if let Some(ended) = registry.0.try_wait()? {
                bail!("the registry ended with {ended}: {}", fs::read_to_string(data.join("log"))?.trim());
            }
            ensure!(begun.elapsed() < PATIENCE, "the registry does not answer at {}", target.registry);
            sleep(Duration::from_millis(50));
        }
        say(&format!("a registry is at {}, with its data in {}", target.registry, data.display()));
        Ok(registry)
    }
}

/// Becomes one, until Ctrl-C.
pub fn serve(target: &Target) -> Result<ExitCode> {
    let data = data()?;
    let mut serve = server(target, &data)?;
    let log = fs::File::create(data.join("log"))?;
    say(&format!("a registry is at {}, with its data in {}", target.registry, data.display()));
    Err(serve.stderr(log.into_parts().0).exec()).context("cannot run a registry")
}

fn data() -> Result<PathBuf> {
    let data = std::path::absolute(Path::new(FOLDER).join("registry"))?;
    fs::create_dir_all(&data)?;
    Ok(data)
}

fn server(target: &Target, data: &Path) -> Result<Command> {
    ensure!(target.is_local(), "a registry is served on this machine only: --registry 127.0.0.1:5000");
    ensure!(!answers(target)?, "something answers at {} already", target.registry);
    let configuration = data.join("configuration.yml");
    // https://distribution.github.io/distribution/about/configuration/
    fs::write(
        &configuration,
        format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: \"{}\"}}\n",
            data.display(),
            target.registry
        ),
    )?;
    let mut serve = programs::registry()?;
    serve.arg("serve").arg(configuration);
    Ok(serve)
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(target: &Target) -> Result<bool> {
    let address = target.registry.replace("localhost", "127.0.0.1");
    let address: SocketAddr = address.parse().with_context(|| {
        format!("{} is to be an address and a port, such as 127.0.0.1:5000", target.registry)
    })?;
    Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}
