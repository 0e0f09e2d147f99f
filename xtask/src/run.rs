//! Runs other programs, and shows that something goes on: every line as it comes, and a sign of life when
//! none does.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// After so much silence a line says what is being waited for.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A line of our own, with the time since the start.
pub fn say(what: &str) {
    eprintln!("[{:6.1} s] {what}", START.elapsed().as_secs_f32());
}

/// The one place where this program makes a command, so that all have what they need: no question waits for
/// an answer, and cargo keeps its colours although a pipe is read.
#[expect(clippy::disallowed_methods, reason = "the one file of xtask that spawns")]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}

/// Cargo, the one that runs us.
pub fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command, shows its lines as they come and gives them back; fails when it does.
pub fn run(what: &str, command: &mut Command) -> Result<Vec<String>> {
    say(what);
    let begun = Instant::now();
    let (lines, ended) = relay(what, command)?;
    if !ended.success() {
        bail!("`{}` ended with {ended}", told(command));
    }
    say(&format!("{what}: done in {:.1} s", begun.elapsed().as_secs_f32()));
    Ok(lines)
}

/// What a command prints, shown to nobody; nothing when it cannot be run or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command, shows its lines as they come, and gives them back with how it ended.
pub fn relay(what: &str, command: &mut Command) -> Result<(Vec<String>, std::process::ExitStatus)> {
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot run `{}`", told(command)))?;
    let (sender, receiver) = channel();
    follow(child.stdout.take(), sender.clone());
    follow(child.stderr.take(), sender);
    let (mut lines, begun, mut heard) = (Vec::new(), Instant::now(), Instant::now());
    loop {
        match receiver.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                eprintln!("{line}");
                lines.push(line);
                heard = Instant::now();
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // Something that the command left behind may hold the pipe open for ever.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(RecvTimeoutError::Timeout) if heard.elapsed() >= SIGN_OF_LIFE => {
                say(&format!("{what}: still going, {} s", begun.elapsed().as_secs()));
                heard = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Ok((lines, child.wait()?))
}

fn follow(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}

/// A command as one would type it: programs and scripts without their folders.
pub fn told(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let bare = |word: &OsStr| match Path::new(word) {
        path if path.is_absolute() => path.file_name().unwrap_or(word).to_string_lossy().into_owned(),
        _ => word.to_string_lossy().into_owned(),
    };
    words.map(bare).collect::<Vec<_>>().join(" ")
}
