//! `berth-init` beside other inits and beside none, each over a program that does next to nothing.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use berth_catalogue::ROLES;
use berth_role::Tls;
use fs_err as fs;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, geteuid};

use super::figures::{Row, Table, median};
use super::machine::{Memory, children, on_processor, sleeps};
use super::standing::AFTER_A_QUESTION;
use super::{Effort, FOLDER};
use crate::outcome::Outcome;
use crate::peers;
use crate::run::{program, run, say};

/// The init that the others are put beside: static, as ours is.
pub const BESIDE: &str = "tini-static";
/// Ours, as they are called.
pub const PLAIN: &str = "berth-init --";
pub const AS_ROLE: &str = "berth-init --stop=role";
pub const ROLE: &str = "berth-init ROLE";

/// The columns.
pub const SIZE: &str = "file, KiB";
pub const RESIDENT: &str = "resident, KiB";
pub const PROPORTIONAL: &str = "twelve: PSS, KiB";
pub const WAKE_UPS: &str = "wake-ups/s";
pub const START: &str = "start to end, µs";
pub const TERM: &str = "TERM to program, µs";
pub const END: &str = "end to end, µs";
pub const ORPHAN: &str = "CPU/orphan, µs";
const ANONYMOUS: &str = "anonymous, KiB";
const TWELVE_ANONYMOUS: &str = "twelve: anonymous, KiB";

/// So many roles there are.
const TWELVE: usize = 12;

/// So long may a program take to do what is asked of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who is measured.
struct Contestant {
    name: &'static str,
    /// Its file and its options; nothing is the program by itself.
    words: Vec<PathBuf>,
    /// How the program is to behave, and in which surroundings, where it is not below an init for any program.
    role: Option<PathBuf>,
}

/// What was measured of one, a figure for each time.
#[derive(Default)]
struct Measured {
    resident: Vec<f64>,
    anonymous: Vec<f64>,
    proportional: Vec<f64>,
    twelve_anonymous: Vec<f64>,
    wake_ups: Vec<f64>,
    start: Vec<f64>,
    term: Vec<f64>,
    end: Vec<f64>,
    orphan: Vec<f64>,
}

/// Measures all of them in turns.
pub fn measured(init: &Path, effort: Effort) -> Result<Table> {
    ensure!(
        geteuid().is_root(),
        "measuring inits takes PID namespaces, and these take root: sudo -E cargo xtask bench init"
    );
    if let Outcome::Skipped(why) = peers::install()? {
        bail!("{why}");
    }
    let subject = subject()?;
    let contestants = contestants(init)?;
    let mut measured: Vec<Measured> = contestants.iter().map(|_| Measured::default()).collect();
    say("inits: start, TERM and end");
    for _ in 0..effort.rounds {
        for (contestant, measured) in contestants.iter().zip(&mut measured) {
            if contestant.role.is_none() {
                measured.start.push(started_and_ended(contestant, &subject)?);
                let (term, end) = ended(contestant, &subject)?;
                measured.term.push(term);
                measured.end.push(end);
            }
        }
    }
    for run in 1..=effort.runs {
        say(&format!("inits: memory and orphans, {run} of {}", effort.runs));
        for (contestant, measured) in contestants.iter().zip(&mut measured) {
            if contestant.words.is_empty() {
                continue;
            }
            rested(contestant, &subject, effort.rest, measured)?;
            if contestant.role.is_none() {
                measured.orphan.push(reaped(contestant, &subject, effort.orphans)?);
            }
        }
    }
    let rows = contestants.iter().zip(measured).map(|(contestant, measured)| row(contestant, measured));
    let columns =
        vec![SIZE, RESIDENT, ANONYMOUS, PROPORTIONAL, TWELVE_ANONYMOUS, WAKE_UPS, START, TERM, END, ORPHAN];
    let rows = rows.collect::<Result<_>>()?;
    Ok(Table { title: "init", columns, rows, beside: BESIDE.to_owned() })
}

fn row(contestant: &Contestant, measured: Measured) -> Result<Row> {
    let size = match contestant.words.first() {
        #[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^52")]
        Some(file) => Some(fs::metadata(file)?.len() as f64 / 1024.0),
        None => None,
    };
    let Measured { resident, anonymous, proportional, twelve_anonymous, wake_ups, start, term, end, orphan } =
        measured;
    let rest = [resident, anonymous, proportional, twelve_anonymous, wake_ups, start, term, end, orphan];
    let medians = std::iter::once(size).chain(rest.into_iter().map(median)).collect();
    Ok(Row { name: contestant.name.to_owned(), medians })
}

/// The program that is run below each, compiled.
fn subject() -> Result<PathBuf> {
    let subject = Path::new(FOLDER).join("subject");
    let mut compile = program("cc");
    compile
        .args(["-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&subject)
        .arg("xtask/tools/subject.c");
    run("compile what the inits run", &mut compile)?;
    Ok(fs::canonicalize(subject)?)
}

fn contestants(init: &Path) -> Result<Vec<Contestant>> {
    let plain = |name, words: &[&Path]| {
        let words = words.iter().map(|word| word.to_path_buf()).collect();
        Contestant { name, words, role: None }
    };
    let peer = |name: &str| fs::canonicalize(Path::new(peers::FOLDER).join("usr/bin").join(name));
    let role = std::path::absolute(Path::new(FOLDER).join("app"))?;
    fs::create_dir_all(&role)?;
    // One that says ready and can start with no settings at all.
    let asked = ROLES.iter().find(|role| role.ports.iter().any(|port| port.tls == Tls::StartTls));
    let asked = asked.context("no role has such a port")?;
    fs::write(role.join(asked.entrypoint), "exec \"$SUBJECT\" role\n")?;
    Ok(vec![
        plain("no init", &[]),
        plain(PLAIN, &[init]),
        plain(AS_ROLE, &[init, Path::new("--stop=role")]),
        Contestant { name: ROLE, words: vec![init.to_owned(), asked.name.into()], role: Some(role) },
        plain("tini", &[&peer("tini")?]),
        plain(BESIDE, &[&peer("tini-static")?]),
        plain("dumb-init", &[&peer("dumb-init")?]),
        plain("catatonit", &[&peer("catatonit")?]),
    ])
}

impl Contestant {
    /// Asks each of them how it is, if they are roles: engines do so for as long as they run.
    fn asked(&self, each: &[Vec<&str>]) -> Result<()> {
        let Some(folder) = &self.role else { return Ok(()) };
        for words in each {
            let mut ask = program(&self.words[0]);
            ask.arg("status").env("BERTH_CONTROL", control(folder, words)).stdout(Stdio::null());
            ensure!(ask.status()?.success(), "{} does not answer", self.name);
        }
        sleep(AFTER_A_QUESTION);
        Ok(())
    }

    /// It over the subject, with nothing of our surroundings.
    fn over(&self, subject: &Path, words: &[&str]) -> Command {
        let whole: Vec<_> = match &self.role {
            Some(_) => self.words.clone(),
            None if self.words.is_empty() => vec![subject.to_owned()],
            None => self.words.iter().cloned().chain(["--".into(), subject.to_owned()]).collect(),
        };
        let mut command = program(&whole[0]);
        command.args(&whole[1..]).env_clear().stdout(Stdio::piped()).stderr(Stdio::null());
        match &self.role {
            Some(folder) => {
                // A shell is Node here, and knows none of its options.
                command.env("BERTH_APP_DIR", folder).env("BERTH_NODE", "/bin/sh").env("BERTH_HEAP", "0");
                command.env("BERTH_CONTROL", control(folder, words)).env("SUBJECT", subject);
            }
            None => {
                command.args(words);
            }
        }
        command
    }

    /// Starts it and waits until its program runs: as PID 1 of a namespace, but where it is a role, which reads /proc.
    fn start(&self, subject: &Path, words: &[&str]) -> Result<Running> {
        let mut command = self.over(subject, words);
        let mut child =
            if self.role.is_some() { command.spawn()? } else { first_of_a_namespace(&mut command)? };
        let mut said = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let running = Running { child, said };
        ensure!(line == "running\n", "{} did not start its program", self.name);
        Ok(running)
    }
}

/// Where a role is asked that was started with these words.
fn control(folder: &Path, words: &[&str]) -> PathBuf {
    folder.join(format!("control-{}", words.concat()))
}

/// An init and its program; both end with this.
struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn send(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.pid())?), signal)?)
    }
}

impl Drop for Running {
    /// The kernel ends all else in a namespace with its PID 1, and a role's program when its init ends (prctl(2)).
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program as PID 1 of a PID namespace, where what it signals can be nobody else.
fn first_of_a_namespace(command: &mut Command) -> Result<Child> {
    let ours = fs::File::open("/proc/self/ns/pid")?;
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a PID namespace")?;
    let child = command.spawn();
    // Nothing that is started later is to be in it; once its PID 1 has ended nothing could (pid_namespaces(7)).
    setns(ours, CloneFlags::CLONE_NEWPID).context("cannot leave a PID namespace")?;
    child.with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// From its start to its end, over a program that ends at once; microseconds.
fn started_and_ended(contestant: &Contestant, subject: &Path) -> Result<f64> {
    let mut command = contestant.over(subject, &["end"]);
    let begun = Instant::now();
    let ended = first_of_a_namespace(&mut command)?.wait()?;
    let took = begun.elapsed();
    ensure!(ended.success(), "{} ended with {ended}", contestant.name);
    Ok(took.as_secs_f64() * 1e6)
}

/// From TERM to the program's handler, and from the program's end to the init's; microseconds.
fn ended(contestant: &Contestant, subject: &Path) -> Result<(f64, f64)> {
    let mut running = contestant.start(subject, &["term"])?;
    // It has said that it runs, and is to be asleep.
    sleep(Duration::from_millis(1));
    let sent = now()?;
    running.send(Signal::SIGTERM)?;
    let ended = running.child.wait()?;
    let over = now()?;
    ensure!(ended.success(), "{} ended with {ended}", contestant.name);
    let mut line = String::new();
    running.said.read_line(&mut line)?;
    let mut times = line.split_whitespace().map(str::parse::<i64>);
    let mut next = || times.next().context("the program says when")?.context("a time is a number");
    let (caught, exited) = (next()?, next()?);
    #[expect(clippy::cast_precision_loss, reason = "a time of a process is far below 2^52 ns")]
    let microseconds = |from: i64, to: i64| (to - from) as f64 / 1e3;
    Ok((microseconds(sent, caught), microseconds(exited, over)))
}

/// The clock that the program reads too, in nanoseconds.
fn now() -> Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// Memory of one and of twelve, and how often one wakes, when nothing happens.
fn rested(contestant: &Contestant, subject: &Path, rest: Duration, measured: &mut Measured) -> Result<()> {
    let numbers: Vec<_> = (0..TWELVE).map(|number| number.to_string()).collect();
    let each: Vec<_> = numbers.iter().map(|number| vec!["rest", number]).collect();
    let first = contestant.start(subject, &each[0])?;
    settled(&first)?;
    contestant.asked(&each[..1])?;
    settled(&first)?;
    let alone = Memory::of(first.pid())?;
    let before = sleeps(first.pid())?;
    sleep(rest);
    let woken = f64::from(u32::try_from(sleeps(first.pid())? - before)?);
    measured.resident.push(alone.resident);
    measured.anonymous.push(alone.anonymous);
    measured.wake_ups.push(woken / rest.as_secs_f64());
    let others = each[1..].iter().map(|words| contestant.start(subject, words));
    let all: Vec<_> = std::iter::once(Ok(first)).chain(others).collect::<Result<_>>()?;
    all.iter().try_for_each(settled)?;
    contestant.asked(&each)?;
    all.iter().try_for_each(settled)?;
    let memories: Vec<_> = all.iter().map(|one| Memory::of(one.pid())).collect::<Result<_>>()?;
    measured.proportional.push(memories.iter().map(|memory| memory.proportional).sum());
    measured.twelve_anonymous.push(memories.iter().map(|memory| memory.anonymous).sum());
    Ok(())
}

/// Waits until an init sleeps: its program may run before it has done all that comes with a start.
fn settled(running: &Running) -> Result<()> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        let now = on_processor(running.pid())?;
        if last.replace(now) == Some(now) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "an init does not come to rest");
        sleep(Duration::from_millis(100));
    }
}

/// What an orphan costs its init on a processor; microseconds.
fn reaped(contestant: &Contestant, subject: &Path, orphans: u32) -> Result<f64> {
    let mut command = contestant.over(subject, &["orphans", &orphans.to_string()]);
    let mut child = first_of_a_namespace(&mut command)?;
    let said = BufReader::new(child.stdout.take().context("its output is a pipe")?);
    let mut running = Running { child, said };
    // What it took before the first orphan is next to nothing beside what so many take, and is not known.
    let mut line = String::new();
    running.said.read_line(&mut line)?;
    let begun = Instant::now();
    while children(running.pid())? > 1 {
        ensure!(begun.elapsed() < PATIENCE, "{} does not reap", contestant.name);
        sleep(Duration::from_millis(10));
    }
    settled(&running)?;
    let took = on_processor(running.pid())?;
    Ok(f64::from(u32::try_from(took / 1000)?) / f64::from(orphans))
}
