//! Starting `berth-init`, or another init, over a witness, and watching both.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{PipeWriter, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::thread::{JoinHandle, spawn};

use berth_tests::{Case, Process, init, is_root, skip, terminal, wait_until};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

pub const WITNESS: &str = env!("CARGO_BIN_EXE_witness");

/// Where an init runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As PID 1 of a PID namespace of its own.
    First,
    /// As any process.
    Ordinary,
}

/// Both places, where we may make a PID namespace.
pub fn places() -> Vec<Place> {
    static ONCE: Once = Once::new();
    if is_root() {
        return vec![Place::Ordinary, Place::First];
    }
    ONCE.call_once(|| skip("and all others, as PID 1: only root makes a PID namespace"));
    vec![Place::Ordinary]
}

/// Runs the words that follow as a job, until it ends. `wait -f` may give the code of a stop before it (128 and STOP, TSTP, TTIN
/// or TTOU), and asked again it gives that of the end. Not in a loop: bash leaves all loops when a job stops by TSTP.
pub const AS_A_JOB: &str = "set -m; \"$@\" & wait -f $!; code=$?
case $code in 147 | 148 | 149 | 150) wait -f $!; code=$?;; esac; exit $code";

/// A pipe whose reader has gone. What other tests start has the reader too until its execve(2), and a pipe with one takes what is
/// written: so until poll(2) says that there is none.
pub fn unread() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    wait_until("nobody reads", || {
        let mut asked = [PollFd::new(writer.as_fd(), PollFlags::empty())];
        poll(&mut asked, PollTimeout::ZERO).unwrap();
        asked[0].revents().is_some_and(|told| told.contains(PollFlags::POLLERR)).then_some(())
    });
    writer
}

/// An init that is about to be started.
pub struct Init<'a> {
    case: &'a Case,
    place: Place,
    program: PathBuf,
    /// What the program may have become before anybody looks.
    becomes: Option<PathBuf>,
    words: Vec<OsString>,
    /// An ordinary process, but in a PID namespace with nothing else: whatever it does, it does to nobody.
    is_apart: bool,
    /// What runs the init: `env --ignore-signal=INT`, say.
    launcher: Vec<String>,
    variables: Vec<(String, OsString)>,
    stderr: Option<Stdio>,
    leads_a_group: bool,
}

impl<'a> Init<'a> {
    /// `berth-init` with these words.
    pub fn new(case: &'a Case, place: Place, words: &[&str]) -> Self {
        Self::of(case, place, init(), words)
    }

    /// Any init with these words.
    pub fn of(case: &'a Case, place: Place, program: PathBuf, words: &[&str]) -> Self {
        Self {
            case,
            place,
            program,
            becomes: None,
            words: words.iter().map(OsString::from).collect(),
            is_apart: false,
            launcher: Vec::new(),
            variables: Vec::new(),
            stderr: None,
            leads_a_group: false,
        }
    }

    /// Has it known under another program's name, too, which it becomes.
    pub fn becoming(mut self, program: &str) -> Self {
        self.becomes = Some(program.into());
        self
    }

    /// Has it kept apart, where it is not PID 1, under a shell that is. As a job of that shell it is in a process group that is
    /// not orphaned, whatever runs the tests.
    pub fn apart(mut self) -> Self {
        self.is_apart = true;
        self
    }

    /// A witness under `berth-init --`.
    pub fn plain(case: &'a Case, place: Place, witness: &[&str]) -> Self {
        Self::new(case, place, &[&["--", WITNESS], witness].concat())
    }

    /// `berth-init ROLE`, with a shell script in place of the application's program.
    pub fn script(case: &'a Case, place: Place, role: &str, script: &str) -> Self {
        case.write(format!("app/{role}.js"), script);
        Self::new(case, place, &[role])
            .set("BERTH_APP_DIR", case.path("app"))
            .set("BERTH_NODE", "/bin/bash")
            // A shell does not know Node's options, which a machine with a limit on memory would bring.
            .set("BERTH_HEAP", "0")
            .set("WITNESS", WITNESS)
    }

    /// `berth-init ROLE`, with a witness called main in place of the application's program.
    pub fn role(case: &'a Case, place: Place, role: &str, witness: &str) -> Self {
        Self::script(case, place, role, &format!("exec $WITNESS name=main {witness}"))
    }

    /// `berth-init ROLE`, with this program for Node in place of the application's. A module, for `await` at its top level.
    pub fn node(case: &'a Case, place: Place, role: &str, node: &Path, program: &str) -> Self {
        case.write("app/package.json", r#"{"type": "module"}"#);
        Self::script(case, place, role, program).set("BERTH_NODE", node).set("BERTH_HEAP", "")
    }

    pub fn set(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((key.to_owned(), value.into()));
        self
    }

    /// Has it called with other words.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words = words.iter().map(OsString::from).collect();
        self
    }

    /// Has the init, and what it is started through so far, started by this program.
    pub fn through(mut self, launcher: &[&str]) -> Self {
        self.launcher.splice(..0, launcher.iter().map(ToString::to_string));
        self
    }

    /// Has what starts it started by this program in turn.
    pub fn before(mut self, launcher: &[&str]) -> Self {
        self.launcher.splice(0..0, launcher.iter().map(ToString::to_string));
        self
    }

    /// Sends standard error there, and not to the case's file `err`.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// The whole command, for whoever wants it to end before he looks.
    pub fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if self.place == Place::First || self.is_apart {
            words.extend(["unshare", "-fp", "--kill-child", "--mount-proc", "--"].map(OsString::from));
        }
        if self.place == Place::Ordinary && self.is_apart {
            words.extend(["setsid", "bash", "-c", AS_A_JOB, "bash"].map(OsString::from));
        }
        words.extend(self.launcher.iter().map(OsString::from));
        words.push(self.program.clone().into());
        words.extend(self.words.iter().cloned());
        let mut command = self.case.command(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).envs(self.variables.iter().cloned());
        if self.place == Place::Ordinary {
            command.env("BERTH_CONTROL", self.case.path("control"));
        }
        command
    }

    /// Runs it to its end.
    pub fn output(&self) -> Output {
        run(&mut self.command())
    }

    /// Starts it with its log apart from what the program prints on standard error, which Node does when it dies.
    pub fn start_apart(self) -> Running<'a> {
        let script = "ulimit -c 0; exec \"$NODE\" \"$@\" 2>\"$BERTH_TEST_CASE/node-err\"";
        let path = self.case.program("node-apart", &format!("#!/bin/sh\n{script}\n"));
        let key = |pair: &&(String, OsString)| pair.0 == "BERTH_NODE";
        let node = self.variables.iter().rfind(key).map(|pair| pair.1.clone()).unwrap();
        self.set("NODE", node).set("BERTH_NODE", path).start()
    }

    /// The same, but this comes last, after all that was given before.
    pub fn through_last(mut self, launcher: &[&str]) -> Self {
        self.launcher.extend(launcher.iter().map(ToString::to_string));
        self
    }

    pub fn start(self) -> Running<'a> {
        self.started(None, false)
    }

    /// As the leader of a process group. That of the tests is orphaned where the shell that started them has ended, and TSTP stops
    /// nobody in such a group (POSIX.1-2024, XSH 2.4.3).
    pub fn leading_a_group(mut self) -> Self {
        self.leads_a_group = true;
        self
    }

    /// Starts it as a process that a shell starts, not as the one that we do.
    pub fn start_below(self) -> Running<'a> {
        self.through(&["setsid"]).started(None, true)
    }

    /// Starts it at a terminal of its own, whose session it leads; gives the keyboard too.
    pub fn start_on_terminal(self) -> (Running<'a>, File) {
        let (keyboard, slave) = terminal();
        (self.through(&["setsid", "--ctty"]).started(Some(slave), false), keyboard)
    }

    /// The same, where a shell leads the session, which finds its terminal by standard error.
    pub fn start_below_on_terminal(self) -> (Running<'a>, File) {
        let (keyboard, slave) = terminal();
        (
            self.stderr(slave.try_clone().unwrap()).through(&["setsid", "--ctty"]).started(Some(slave), true),
            keyboard,
        )
    }

    fn started(mut self, stdin: Option<File>, is_below: bool) -> Running<'a> {
        let file = |name| OpenOptions::new().create(true).append(true).open(self.case.path(name)).unwrap();
        let mut command = self.command();
        command.stdout(file("out")).stderr(self.stderr.take().unwrap_or_else(|| file("err").into()));
        if let Some(stdin) = stdin {
            command.stdin(stdin);
        }
        if self.leads_a_group {
            command.process_group(0);
        }
        let child = command.spawn().unwrap();
        let started = Process::of(&child);
        let is_init = |process: &Process| {
            let words = process.words();
            let name = words.first().map(Path::new);
            name.is_some_and(|name| name == self.program || Some(name) == self.becomes.as_deref())
        };
        // Below a shell that we start, itself or as PID 1 of a namespace.
        let is_below = is_below || self.place == Place::Ordinary && self.is_apart;
        let depth = usize::from(is_below) + usize::from(is_below && command.get_program() == "unshare");
        let pid = wait_until("the init is started", || {
            let below = started.children();
            let two_below = below.iter().flat_map(|process| process.children()).collect();
            let found = [vec![started], below, two_below].into_iter().skip(depth).flatten().find(is_init);
            // Gone already: then its number is not asked for.
            found.or_else(|| (started.state() == Some('Z')).then_some(started))
        });
        Running { case: self.case, place: self.place, child, pid }
    }
}

/// An init that was started.
pub struct Running<'a> {
    case: &'a Case,
    place: Place,
    child: Child,
    /// Its process, as seen from outside its namespace.
    pub pid: Process,
}

impl Running<'_> {
    pub fn signal(&self, number: i32) {
        self.pid.signal(number).unwrap();
    }

    /// The lines that the witnesses have printed.
    pub fn said(&self) -> Vec<String> {
        self.case.read("out").lines().map(str::to_owned).collect()
    }

    /// How often a witness has printed this line.
    pub fn times(&self, line: &str) -> usize {
        self.said().iter().filter(|said| *said == line).count()
    }

    /// Waits until a witness has printed this line.
    pub fn until_said(&self, line: &str) {
        self.until_said_times(line, 1);
    }

    pub fn until_said_times(&self, line: &str, times: usize) {
        let what = format!("{line:?} is said {times} times");
        wait_until(&what, || (self.times(line) >= times).then_some(()));
    }

    /// The log, which is JSON where standard error is a file.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.case.read("err");
        // The last one may not be there as a whole yet.
        let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    /// The log's lines with this message.
    pub fn logged(&self, message: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["message"] == message).collect()
    }

    /// Asks it, as `docker exec` does: in its namespace, from outside.
    pub fn ask(&self, words: &[&str]) -> Output {
        run(self.beside(init().to_str().unwrap()).args(words))
    }

    /// A command where the init runs; as PID 1 that is a process without a parent in its namespace.
    pub fn beside(&self, program: &str) -> Command {
        let mut command = match self.place {
            Place::First => {
                let mut command = self.case.command("nsenter");
                command.args(["-p", "-m", "-t", &self.pid.0.to_string(), "--", program]);
                command
            }
            Place::Ordinary => self.case.command(program),
        };
        if self.place == Place::Ordinary {
            command.env("BERTH_CONTROL", self.case.path("control"));
        }
        command
    }

    pub fn status(&self) -> Option<Value> {
        let output = self.ask(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits for a state, and gives the status then.
    pub fn until(&self, state: &str) -> Value {
        wait_until(&format!("the state {state}"), || self.status().filter(|status| status["state"] == state))
    }

    /// Waits until the role is ready and its witness, called main, catches signals; gives the status then.
    pub fn until_ready(&self) -> Value {
        self.until_said("main catching");
        self.until("ready")
    }

    /// The main process: the one witness called main.
    pub fn main(&self) -> Process {
        self.case.process("witness", "name=main")
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and gives its exit code; the negative signal when one ended it.
    pub fn end(&mut self) -> i32 {
        let child = &mut self.child;
        let status = wait_until("berth-init has ended", || child.try_wait().unwrap());
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    /// Has it stopped as an engine does, by TERM, and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal(15);
        self.end()
    }
}

/// Runs a command to its end, as `Command::output` does, but for no longer than a test waits.
pub fn run(command: &mut Command) -> Output {
    fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
        spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let status = wait_until(&format!("the end of {command:?}"), || child.try_wait().unwrap());
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// What a command printed on standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command printed on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
