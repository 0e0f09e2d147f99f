//! The engine that this program starts: one for the machine, whichever clone asks, because engines share the packet
//! filter, and a second one would throw the first one's rules away.
//!
//! It runs in a mount namespace of its own, so that no mount outlives it, and in a session of its own, so that Ctrl-C
//! does not reach it. Whoever uses it holds a shared lock; the last one stops it, unless it was started by hand. Locks
//! end with their process, so that users who were killed do not count.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::host::Host;
use super::install;
use super::leftovers::{self, MARK, Process};
use super::rules::Others;
use crate::run::{ask, program, say};

/// Short, because the path of a Unix socket has 108 bytes (unix(7)), and the same for every clone.
const FOLDER: &str = "/run/berth-docker";

/// From the first start to the first answer it takes half a second, after a crash some seconds.
const START: Duration = Duration::from_mins(1);

/// Containers have 10 seconds to stop unless they ask for more, the engine itself 15.
const STOP: Duration = Duration::from_secs(90);

/// Else it may have three quarters of the disk.
const BUILD_CACHE: &str = "5GB";

/// The locks of this process as a user, one for each use. The thread that awaits signals must find them too.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// While it lives, the engine does.
pub struct Use {
    is_over: bool,
}

impl Use {
    /// Ends it: the engine stops, if nobody else uses it.
    pub fn leave(mut self) -> Result<()> {
        self.is_over = true;
        let_go(1)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if !self.is_over
            && let Err(error) = let_go(1)
        {
            eprintln!("error: cannot stop the Docker engine: {error:#}");
        }
    }
}

/// Uses the engine, which is started if it does not run, with the programs that `install` gives.
pub fn enter(install: impl FnOnce() -> Result<PathBuf>) -> Result<Use> {
    // In this order, as those who leave.
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let _lock = lock()?;
    if !runs() {
        let folder = install()?;
        clear_up()?;
        if let Err(error) = start(&folder) {
            put_away()?;
            return Err(error);
        }
    }
    let users = create("users")?;
    users.lock_shared().context("cannot lock")?;
    if held.is_empty() {
        stop_on_signals()?;
    }
    held.push(users);
    Ok(Use { is_over: false })
}

/// Whether it is there and answers.
pub fn runs() -> bool {
    process().is_some() && folder().is_some_and(|folder| answers(&folder))
}

/// What clients need to reach it.
pub fn environment() -> Result<Vec<(&'static str, OsString)>> {
    let folder = folder().context("the Docker engine does not run")?;
    client(&folder)
}

/// Lets it run on when its last user leaves.
pub fn keep() -> Result<()> {
    create("kept").map(drop)
}

/// Stops it although it was to be kept, and clears up what a killed one left.
pub fn stop() -> Result<()> {
    if !Path::new(FOLDER).exists() {
        say("no Docker engine was started here");
        return Ok(());
    }
    let _lock = lock()?;
    if !is_unused()? {
        bail!("it is in use by another `cargo xtask`");
    }
    put_away()
}

fn at(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn create(name: &str) -> Result<File> {
    Ok(fs::File::create(at(name))?.into_parts().0)
}

/// Held while the engine is started or stopped, and while users come and go.
fn lock() -> Result<File> {
    let mut told = false;
    loop {
        fs::create_dir_all(FOLDER)?;
        let file = match fs::File::create(at("lock")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?.into_parts().0,
        };
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && !told {
            say("waiting for another `cargo xtask` that starts or stops the Docker engine");
            told = true;
        }
        file.lock().context("cannot lock the Docker engine")?;
        // The one before us may have removed the folder.
        let ours = file.metadata()?;
        if fs::metadata(at("lock")).is_ok_and(|there| there.ino() == ours.ino()) {
            return Ok(file);
        }
    }
}

/// Ends so many uses by this process: the engine stops, if nobody else uses it.
fn let_go(uses: usize) -> Result<()> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    if held.is_empty() {
        return Ok(());
    }
    let _lock = lock()?;
    let left = held.len().saturating_sub(uses);
    held.truncate(left);
    if at("kept").exists() {
        say("the Docker engine goes on; `cargo xtask docker --stop` stops it");
    } else if is_unused()? {
        put_away()?;
    } else {
        say("the Docker engine goes on: it is used elsewhere");
    }
    Ok(())
}

fn is_unused() -> Result<bool> {
    match create("users")?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the Docker engine"),
    }
}

/// Whoever is interrupted takes the engine along. The programs that it runs get their own Ctrl-C from the terminal.
fn stop_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot await signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            if let Err(error) = let_go(usize::MAX) {
                eprintln!("error: cannot stop the Docker engine: {error:#}");
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// The folder of the clone that started it: `.tools/docker`.
fn folder() -> Option<PathBuf> {
    fs::read_to_string(at("folder")).ok().map(PathBuf::from)
}

/// The engine, told apart from a process that was given its number later.
fn process() -> Option<Process> {
    let process = Process(fs::read_to_string(at("pid")).ok()?.trim().parse().ok()?);
    let words = process.file("cmdline")?;
    let is_it = words.split('\0').any(|word| Path::new(word) == at("daemon.json"));
    (is_it && process.lives()).then_some(process)
}

fn client(folder: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let search = std::iter::once(folder.join("bin")).chain(std::env::split_paths(&path));
    Ok(vec![
        ("DOCKER_HOST", format!("unix://{FOLDER}/docker.sock").into()),
        ("DOCKER_CONTEXT", "default".into()),
        ("DOCKER_CONFIG", folder.join("config").into()),
        ("PATH", std::env::join_paths(search)?),
    ])
}

fn answers(folder: &Path) -> bool {
    let mut version = program("docker");
    let environment = client(folder).unwrap_or_default();
    ask(version.envs(environment).args(["version", "--format", "{{.Server.Version}}"])).is_some()
}

fn start(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut environment = install::environment(folder)?;
    let data = folder.join("data");
    fs::write(at("folder"), folder.as_os_str().as_encoded_bytes())?;
    let host = Host { notes: &at("before"), data: &data, environment: &environment };
    if !leftovers::another_engine() {
        host.prepare()?;
    }
    host.note()?;
    let configuration = serde_json::json!({
        "data-root": data,
        "exec-root": at("exec"),
        "pidfile": at("pid"),
        "hosts": [format!("unix://{FOLDER}/docker.sock")],
        "features": { "containerd-snapshotter": true },
        // The host's own packets are to be forwarded as before.
        "ip-forward-no-drop": true,
        "builder": { "gc": { "enabled": true, "defaultKeepStorage": BUILD_CACHE } },
        "log-level": "warn",
    });
    fs::write(at("daemon.json"), format!("{configuration:#}\n"))?;
    // Of this start alone: what was started elsewhere under the same folder is not to be taken for it.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mark = format!("{}-{}", std::process::id(), since.as_nanos());
    fs::write(at("mark"), &mark)?;
    environment.push((MARK, mark.into()));
    let log = fs::File::create(folder.join("log"))?.into_parts().0;
    let mut daemon: Command = program("setsid");
    daemon.args(["unshare", "--mount", "--propagation", "slave", "dockerd", "--config-file"]);
    daemon.arg(at("daemon.json")).envs(environment).current_dir("/").stdout(log.try_clone()?).stderr(log);
    let mut child = daemon.spawn().context("cannot start dockerd")?;
    while !answers(folder) {
        let ended = child.try_wait()?;
        if ended.is_some() || begun.elapsed() > START {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(5).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            let how = ended.map_or("does not answer".to_owned(), |ended| format!("ended with {ended}"));
            bail!("dockerd {how}; the end of {}:\n{tail}", folder.join("log").display());
        }
        sleep(Duration::from_millis(50));
    }
    say(&format!("Docker engine started in {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(())
}

/// Stops it if it runs, and leaves nothing of it but its images. To be called with the lock, whose file goes too.
fn put_away() -> Result<()> {
    clear_up()?;
    fs::remove_dir_all(FOLDER).map_err(Into::into)
}

fn clear_up() -> Result<()> {
    if let Some(process) = process() {
        say("stopping the Docker engine");
        kill(Pid::from_raw(process.0), Signal::SIGTERM).context("cannot stop dockerd")?;
        let begun = Instant::now();
        while process.lives() && begun.elapsed() < STOP {
            sleep(Duration::from_millis(50));
        }
    }
    if let Some(folder) = folder() {
        let data = folder.join("data");
        let mark = fs::read_to_string(at("mark")).unwrap_or_default();
        leftovers::end(&mark, &data)?;
        if at("before").exists() {
            let others = if leftovers::another_engine() { Others::AnEngine } else { Others::None };
            let environment = install::environment(&folder)?;
            Host { notes: &at("before"), data: &data, environment: &environment }.undo(others)?;
        }
    }
    for entry in fs::read_dir(FOLDER)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if path != at("lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
