//! The local engine against an init that is made up here: this test binary itself, asked to play one.
#![allow(clippy::unwrap_used, reason = "the lint does not see that helpers of tests are tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use berth_control::{Address, Answer, Listener, Main, Request, State as InitState, Status};
use berth_engine::folder::Folder;
use berth_engine::plan::Why;
use berth_engine::{
    Engine, EngineError, Event, Instance, Local, Means, Processes, Seen, State, Until, Wanted, Watcher,
};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Not a test: what the other tests start. `FAKE` says how the instance behaves.
#[test]
#[ignore = "started by the other tests"]
fn init() {
    let Some(control) = std::env::var_os("BERTH_CONTROL").map(std::path::PathBuf::from) else { return };
    let name = control.file_stem().unwrap().to_str().unwrap().to_owned();
    let does = |word: &str| std::env::var("FAKE").is_ok_and(|fake| fake == format!("{name} {word}"));
    println!("{name} began");
    assert!(!does("dies"), "told to die");
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let listener = Listener::bind(&Address::File(control)).unwrap();
        let (mut requests, begin) = (listener.serve(), Instant::now());
        loop {
            tokio::select! {
                _ = terminate.recv() => {
                    if !does("lingers") {
                        println!("{name} ended");
                        return;
                    }
                }
                Some(asked) = requests.next() => {
                    // Whoever asked may have left.
                    let _ = asked.answer.send(answer(&name, asked.request, begin));
                }
            }
        }
    });
}

fn answer(name: &str, request: Request, begin: Instant) -> Answer {
    if request != Request::Status {
        return Answer::Refused { reason: "it only plays".into() };
    }
    let pid = std::process::id();
    Answer::Status(Status {
        role: Some(name.to_owned()),
        version: String::new(),
        init: pid,
        main: Some(Main { pid, stopped: false }),
        state: InitState::Ready,
        for_ms: u64::try_from(begin.elapsed().as_millis()).unwrap(),
        ready_after_ms: Some(1),
        restarts: 0,
        waiting_for: Vec::new(),
        ports: Vec::new(),
        certificate: None,
        needs: Vec::new(),
    })
}

/// An installation of three instances: a store, a reader that needs it, and a worker that uses the reader.
struct Installation {
    parent: tempfile::TempDir,
    wanted: Wanted,
    seen: Recorder,
}

#[derive(Default)]
struct Recorder {
    events: Vec<Event>,
}

impl Watcher for Recorder {
    fn saw(&mut self, _: &[Seen]) {}
    fn heard(&mut self, event: Event) {
        self.events.push(event);
    }
    fn interrupts(&self) -> usize {
        0
    }
}

impl Installation {
    fn new(fake: &str) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let program = parent.path().join("init.sh");
        // A script, because an init is given one argument, the instance's name, and a test binary wants others.
        // What a shell adds to the environment would be taken for a setting.
        let script = "#!/bin/sh\nexec env -u PWD -u OLDPWD -u SHLVL -u _ \
                      \"$FAKE_INIT\" --exact init --ignored --nocapture\n";
        write_program(&program, script);
        let instance = |name: &str, needs: &[&str], uses: &[&str]| Instance {
            name: name.to_owned(),
            needs: needs.iter().map(ToString::to_string).collect(),
            uses: uses.iter().map(ToString::to_string).collect(),
            says_ready: true,
            ready_within: DEADLINE,
            stop_within: DEADLINE,
            ..Instance::default()
        };
        let this = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        let environment = [("FAKE_INIT", this), ("FAKE", fake.to_owned())];
        let wanted = Wanted {
            instances: vec![
                instance("store", &[], &[]),
                instance("reader", &["store"], &[]),
                instance("worker", &[], &["reader"]),
            ],
            listen: Vec::new(),
            means: Means::Processes(Processes {
                program,
                app: parent.path().to_owned(),
                node: "/bin/sh".into(),
                environment: environment.map(|(key, value)| (key.to_owned(), value)).into(),
                inputs: vec![parent.path().join("certificate")],
            }),
        };
        Self { parent, wanted, seen: Recorder::default() }
    }

    fn folder(&self) -> Folder {
        Folder::create(&self.parent.path().join("state")).unwrap()
    }

    /// A new engine each time, as each command has one.
    fn up(&mut self) -> Result<(), EngineError> {
        Local::new(self.folder(), 2).up(&self.wanted, Until::Ready, &mut self.seen)
    }

    fn pids(&self) -> BTreeMap<String, u32> {
        let all = Local::new(self.folder(), 2).status().unwrap();
        all.into_iter().filter_map(|seen| Some((seen.name, seen.init?))).collect()
    }

    /// What happened since the last time, in words.
    fn happened(&mut self) -> Vec<String> {
        let word = |event: Event| match event {
            Event::Adopted(name) => format!("adopted {name}"),
            Event::Started(name) => format!("started {name}"),
            Event::Stopping(name, Why::Unwanted) => format!("unwanted {name}"),
            Event::Stopping(name, Why::Changed(keys)) => format!("changed {name} {}", keys.join(",")),
            Event::Stopped(name, _) => format!("stopped {name}"),
            Event::Killed(name, count) => format!("killed {count} of {name}"),
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.seen.events).into_iter().map(word).collect()
    }
}

/// Not by us: what other tests start meanwhile would have the file open for writing until its own execve(2), and nobody
/// could run it (ETXTBSY).
#[expect(clippy::disallowed_methods, reason = "the one place of these tests that spawns by itself")]
fn write_program(path: &Path, text: &str) {
    let mut writer = std::process::Command::new("sh");
    writer.args(["-c", "printf %s \"$2\" >\"$1\" && chmod 700 \"$1\"", "sh"]).arg(path).arg(text);
    assert!(writer.status().unwrap().success());
}

impl Drop for Installation {
    fn drop(&mut self) {
        // The third wish for an end is obeyed: nothing is left, whatever the test left behind.
        let mut engine = Local::new(self.folder(), 2);
        let _ = engine.down(&mut Impatient(0));
    }
}

/// Wants an end more and more.
struct Impatient(usize);

impl Watcher for Impatient {
    fn saw(&mut self, _: &[Seen]) {}
    fn heard(&mut self, _: Event) {
        self.0 += 3;
    }
    fn interrupts(&self) -> usize {
        self.0
    }
}

#[test]
fn a_second_up_adopts_what_runs_and_a_third_starts_what_is_missing() {
    let mut installation = Installation::new("");
    installation.up().unwrap();
    assert_eq!(installation.happened(), ["started store", "started worker", "started reader"]);
    let first = installation.pids();
    installation.up().unwrap();
    assert_eq!(installation.happened(), ["adopted store", "adopted reader", "adopted worker"]);
    assert_eq!(installation.pids(), first);

    kill(first["reader"]);
    installation.up().unwrap();
    assert_eq!(installation.happened(), ["adopted store", "adopted worker", "started reader"]);
    assert_eq!(installation.pids()["store"], first["store"]);
}

#[test]
fn what_changed_is_started_again_and_what_is_not_wanted_goes() {
    let mut installation = Installation::new("");
    installation.up().unwrap();
    installation.happened();
    fs_err::write(installation.parent.path().join("certificate"), "renewed").unwrap();
    installation.wanted.instances.pop();
    installation.up().unwrap();
    let expected = [
        "unwanted worker",
        "changed store BERTH_STAMP",
        "changed reader BERTH_STAMP",
        "stopped worker",
        "stopped reader",
        "stopped store",
        "started store",
        "started reader",
    ];
    assert_eq!(installation.happened(), expected);
}

#[test]
fn down_stops_what_is_needed_last_and_leaves_nothing() {
    let mut installation = Installation::new("");
    installation.up().unwrap();
    let pids = installation.pids();
    installation.happened();
    let mut engine = Local::new(installation.folder(), 2);
    engine.down(&mut installation.seen).unwrap();
    assert_eq!(installation.happened(), ["stopped worker", "stopped reader", "stopped store"]);
    assert!(pids.values().all(|pid| !runs(*pid)));
    assert_eq!(engine.wanted().unwrap(), None);
    assert!(engine.status().unwrap().iter().all(|seen| seen.state == State::Down));
}

#[test]
fn one_that_dies_shows_its_last_lines_and_the_others_are_stopped() {
    let mut installation = Installation::new("reader dies");
    let error = installation.up().unwrap_err();
    let EngineError::Died { name, how, last, .. } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), how.as_str()), ("reader", "ended with code 101 before it was ready"));
    assert!(last.iter().any(|line| line.contains("told to die")), "{last:?}");
    assert!(installation.pids().is_empty());
}

#[test]
fn one_that_outstays_its_time_is_killed() {
    let mut installation = Installation::new("reader lingers");
    installation.wanted.instances[1].stop_within = Duration::from_millis(300);
    installation.up().unwrap();
    installation.happened();
    Local::new(installation.folder(), 2).down(&mut installation.seen).unwrap();
    assert_eq!(installation.happened(), ["stopped worker", "killed 1 of reader", "stopped store"]);
}

#[test]
fn a_taken_port_is_named_before_anything_is_started() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    let mut installation = Installation::new("");
    let listening = berth_control::Port { name: "x".into(), number, tls: berth_control::PortTls::None };
    installation.wanted.instances[1].ports =
        vec![berth_engine::Port { published: 1, listening, address: None }];
    installation.wanted.listen = vec!["127.0.0.1".parse().unwrap()];
    let error = installation.up().unwrap_err();
    let EngineError::Busy(busy) = error else { panic!("{error}") };
    assert_eq!((busy[0].0.as_str(), busy[0].1), ("reader", number));
    assert_eq!(busy[0].2.as_ref().unwrap().pid, std::process::id());
    assert!(installation.happened().is_empty());
}

#[test]
fn keeping_starts_again_what_was_killed_until_somebody_takes_it_down() {
    let mut installation = Installation::new("");
    installation.up().unwrap();
    let first = installation.pids();
    let (folder, begin) = (installation.folder(), Instant::now());
    let kept = std::thread::spawn(move || {
        let mut seen = Recorder::default();
        let kept = Local::new(folder, 2).keep(&mut seen);
        (kept.unwrap(), seen.events)
    });
    kill(first["reader"]);
    while installation.pids().get("reader").is_none_or(|pid| *pid == first["reader"]) {
        assert!(begin.elapsed() < DEADLINE && !kept.is_finished());
        std::thread::sleep(Duration::from_millis(20));
    }
    Local::new(installation.folder(), 2).down(&mut installation.seen).unwrap();
    let (kept, events) = kept.join().unwrap();
    assert_eq!(kept, berth_engine::Kept::TakenDown);
    let expected =
        [Event::Ended("reader".into(), Duration::from_millis(500)), Event::Started("reader".into())];
    // After these it may have seen others end, before it heard that all was taken down.
    assert_eq!(events.get(..2).unwrap_or(&events), expected);
    assert!(installation.pids().is_empty());
}

#[test]
fn logs_are_told_by_name_from_their_end() {
    let mut installation = Installation::new("");
    installation.up().unwrap();
    let mut lines = Vec::new();
    let names = ["store".to_owned(), "reader".to_owned()];
    let mut take = |name: &str, line: &str| {
        lines.push(format!("{name}: {line}"));
        Ok(())
    };
    Local::new(installation.folder(), 2).logs(&names, 1, false, &|| false, &mut take).unwrap();
    assert_eq!(lines, ["store: store began", "reader: reader began"]);
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    // Its parent may be this very process, and nobody else waits for it.
    let _ = nix::sys::wait::waitpid(pid, None);
}

fn runs(pid: u32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
