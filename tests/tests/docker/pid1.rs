//! berth-init as PID 1 of a container, where only an engine makes the difference: at a terminal, beside shells that came in
//! from outside, without rights, at a limit of processes, below the engine's own init, and under its restarts.

use berth_tests::{Process, Ran, wait_until_within};
use nix::libc::{SIGKILL, SIGTERM};
use serde_json::Value;

use crate::engine::{Engine, PATIENCE};
use crate::image::{HARDENED, settings};
use crate::installation::{Installation, START, image};
use crate::screen::Screen;
use crate::stack::stack;

/// The engine's filter of system calls, no new privileges, no capability, and a user: what a container of the service has.
fn is_without_rights(process: Process) {
    let is = |key| process.status(key).unwrap();
    assert_eq!((is("Seccomp").as_str(), is("NoNewPrivs").as_str()), ("2", "1"));
    assert_eq!((is("CapBnd").as_str(), is("CapEff").as_str()), ("0000000000000000", "0000000000000000"));
    assert_eq!(is("Uid"), "10001\t10001\t10001\t10001");
}

/// A container's PID 1, as this host sees it.
fn first(engine: &Engine, container: &str) -> Process {
    let pid = engine.inspect(container)["State"]["Pid"].as_i64().unwrap();
    assert!(pid > 1, "{container} does not run: {:#?}", engine.run(&["logs", container]));
    Process(i32::try_from(pid).unwrap())
}

/// Starts a role that needs nothing, as the service has it, and with these options besides.
fn start_role(engine: &Engine, of: &str, options: &[&str]) -> String {
    let (settings, image) = (settings(engine), image());
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let data = ["--tmpfs=/mnt:uid=10001", "--health-start-interval=500ms", "--health-start-period=1m"];
    engine.start(of, &[&settings[..], &HARDENED, &data, options, &[&image, "smtp"]].concat())
}

/// Waits for a process's child that runs this.
fn child(parent: Process, program: &str) -> Process {
    let runs = |child: &Process| child.words().first().is_some_and(|word| word.ends_with(program));
    wait_until_within(PATIENCE, &format!("{program} runs"), || parent.children().into_iter().find(runs))
}

/// Waits until an init has this child alone, and no zombie.
fn is_alone_with(init: Process, main: Process) {
    wait_until_within(PATIENCE, "there is the program alone", || (init.children() == [main]).then_some(()));
}

/// Waits until a container's log has this.
fn logs(engine: &Engine, container: &str, text: &str) {
    wait_until_within(PATIENCE, &format!("the log of {container} has {text}"), || {
        let log = engine.run(&["logs", "--tail", "50", container]);
        (log.out + &log.err).contains(text).then_some(())
    });
}

/// What was left by the program has ended by TERM: nothing got KILL at the end of the grace.
fn none_was_waited_for(engine: &Engine, container: &str) {
    let log = engine.run(&["logs", "--tail", "20", container]);
    let told: Vec<_> = log.err.lines().filter(|line| line.contains("signal to leftovers")).collect();
    assert!(told.last().is_some_and(|last| last.contains("\"SIGTERM\"")), "{log:#?}");
}

/// Waits until the engine is done with a container, which it does not mean to start again; gives all that it says of it.
fn is_over(engine: &Engine, container: &str) -> Value {
    wait_until_within(PATIENCE, &format!("{container} is over"), || {
        let seen = engine.inspect(container);
        (seen["State"]["Status"] == "exited").then_some(seen)
    })
}

/// Waits until the engine has started a container again, once, and it is healthy.
fn is_started_again(engine: &Engine, container: &str) {
    wait_until_within(PATIENCE, &format!("{container} is started again"), || {
        (engine.inspect(container)["RestartCount"] == 1).then_some(())
    });
    engine.becomes(container, "healthy");
}

/// Brings a role of the shared installation back, whatever the test comes to.
struct Back<'a>(&'a Installation, &'a str);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.engine.run(&["start", &self.0.container(self.1)]);
    }
}

/// An engine's default capabilities are enough for it; the service's containers have none, and start as that user.
#[test]
fn started_as_root_it_becomes_the_user_that_it_is_told_or_says_what_it_lacks() {
    let Some(engine) = Engine::new() else { return };
    let run = |options: &[&str]| {
        let image = image();
        let begin = ["run", "--rm", "--network=none", "--user=0", "--env=BERTH_USER=10001:10001"];
        let shown = "id -u; cat /proc/1/status /proc/self/status";
        engine.run(&[&begin[..], options, &[&image, "--", "sh", "-c", shown]].concat())
    };
    let ran = run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "10001");
    for line in [
        "Uid:\t10001\t10001\t10001\t10001",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapAmb:\t0000000000000000",
    ] {
        assert_eq!(lines.iter().filter(|found| **found == line).count(), 2, "{line}: {}", ran.out);
    }
    let refused = run(&["--cap-drop=ALL"]);
    assert_eq!(refused.code, Some(126), "{refused:#?}");
    assert!(refused.err.contains("this takes the capabilities SETUID and SETGID"), "{}", refused.err);
}

#[test]
fn a_shell_at_a_terminal_has_a_prompt_job_control_the_windows_size_and_its_exit_code() {
    let Some(engine) = Engine::new() else { return };
    let (label, image) = (engine.label(), image());
    let words =
        ["run", "--rm", "--interactive", "--tty", "--network=none", "--label", &label, &image, "--", "sh"];
    let mut screen = Screen::open(&engine, &words);
    screen.shows("$ ");
    screen.types(b"trap 'echo hung''up' HUP; echo I am $(id -u) in $(pwd) at $HOME\r");
    // What is typed before a prompt is there is shown before it, or on both of its sides.
    screen.shows("I am 10001 in /app at /tmp\r\n$ ");

    // It has the terminal, so that an interrupt ends what it runs and not itself.
    screen.types(b"cat\r");
    screen.types(b"still here\r");
    screen.shows("still here\r\nstill here");
    screen.types(b"\x03");
    // What is typed before the interrupt is heard is thrown away with it (termios(3), NOFLSH).
    screen.shows("^C\r\n$ ");
    screen.types(b"echo after $?\r");
    screen.shows("after 130\r\n$ ");

    screen.types(b"cat\r");
    screen.types(b"and stops\r");
    screen.shows("and stops\r\nand stops");
    screen.types(b"\x1a");
    screen.shows("Stopped");
    screen.shows("$ ");
    screen.types(b"echo meanwhile; fg\r");
    screen.shows("meanwhile\r\ncat\r\n");
    screen.types(b"goes on\r");
    screen.shows("goes on\r\ngoes on");
    screen.types(b"\x03");
    screen.shows("^C\r\n$ ");

    let watch = "const out = process.stdout; out.on('resize', () => console.log('now ' + out.columns)); \
        setInterval(() => {}, 1000); console.log('look' + 'ing')";
    screen.types(format!("node -e \"{watch}\"\r").as_bytes());
    screen.shows("looking");
    screen.resize(123);
    screen.shows("now 123");
    screen.types(b"\x03");
    screen.shows("$ ");

    screen.types(b"node --version; exit 7\r");
    screen.shows("v24.");
    assert_eq!(screen.ended(), Some(7), "{}", screen.text());
    let shown = screen.text();
    assert!(!shown.contains("job control") && !shown.contains("hungup"), "{shown}");
}

#[test]
fn what_a_shell_beside_a_role_leaves_behind_is_reaped() {
    let Some(stack) = stack() else { return };
    let (init, main) = (stack.init("pop3"), stack.main("pop3"));
    is_without_rights(init);
    let leave = "for each in 1 2 3 4 5; do sleep 0.1 & done > /dev/null 2>&1; sleep 600 > /dev/null 2>&1 &";
    assert_eq!(stack.exec("pop3", &["sh", "-c", leave]).code, Some(0));
    // It is the role's now, or would not be found here.
    child(init, "sleep");
    for left in init.children().into_iter().filter(|child| *child != main) {
        // The short ones may have ended.
        let _ = left.signal(SIGTERM);
    }
    is_alone_with(init, main);
    assert_eq!(stack.main("pop3"), main);
}

#[test]
fn a_shell_that_came_in_at_a_terminal_and_what_it_left_hold_no_stop_of_a_role_up() {
    let Some(stack) = stack() else { return };
    let container = stack.container("pop3");
    let _back = Back(&stack, "pop3");
    let before = stack.restarts("pop3");
    let mut screen = Screen::open(&stack.engine, &["exec", "--interactive", "--tty", &container, "sh"]);
    screen.shows("$ ");
    // One that is the shell's, and one that the role has taken over.
    screen.types(b"sleep 600 & (setsid sleep 600 &); echo both $((40 + 2))\r");
    screen.shows("both 42");
    child(stack.init("pop3"), "sleep");
    stack.engine.done(&["stop", &container]);
    let seen = is_over(&stack.engine, &container);
    none_was_waited_for(&stack.engine, &container);
    assert_eq!(seen["State"]["ExitCode"], 0, "{seen:#}");
    assert_eq!(seen["RestartCount"], before, "a stop is none that is followed by a start");
    // It ends with the container.
    assert_eq!(screen.ended(), Some(137), "{}", screen.text());
}

/// The engine takes whatever `docker kill` sends for the wish that the container ends, and does not start it again.
#[test]
fn docker_kill_with_hup_restarts_a_role_in_place_with_usr1_changes_nothing_and_with_quit_reaches_the_program()
{
    let Some(stack) = stack() else { return };
    let (container, init, first_main) = (stack.container("pop3"), stack.init("pop3"), stack.main("pop3"));
    let before = stack.restarts("pop3");
    let _back = Back(&stack, "pop3");
    is_without_rights(init);
    let send = |signal: &str| stack.engine.done(&["kill", "--signal", signal, &container]);

    send("HUP");
    let main = wait_until_within(START, "pop3 is ready with another program", || {
        let status = stack.exec("pop3", &["berth-init", "status", "--json"]);
        let status: Value = serde_json::from_str(&status.out).ok()?;
        let main = stack.main("pop3");
        (status["state"] == "ready" && main != first_main).then_some(main)
    });
    assert_eq!((stack.init("pop3"), stack.restarts("pop3")), (init, before), "the container goes on");

    send("USR1");
    logs(&stack.engine, &container, "signal held back");
    // The port of Node's debugger, as it is written in /proc/net/tcp.
    assert!(!main.file("net/tcp").unwrap().contains(":240D "), "a debugger listens");
    assert!(main.lives());

    send("QUIT");
    let seen = is_over(&stack.engine, &container);
    // 128 and 3: nothing of it is caught.
    assert_eq!(seen["State"]["ExitCode"], 131, "{seen:#}");
    assert_eq!(seen["RestartCount"], before);
}

/// So many processes may be in a container; a shell fills it and becomes what follows.
const FULL: (&str, &str) =
    ("--pids-limit=16", "for each in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 600 & done; exec ");

/// Runs this where no process and no thread can be started.
fn run_when_full(engine: &Engine, options: &[&str], command: &str) -> Ran {
    let (limit, fill) = FULL;
    let (label, image) = (engine.label(), image());
    let script = format!("{fill}{command}");
    // A health check would take places that are the script's.
    let start =
        ["run", "--rm", "--network=none", "--no-healthcheck", "--label", &label, limit, "--entrypoint=sh"];
    engine.run(&[&start[..], options, &[&image, "-c", &script]].concat())
}

/// The look-up of a name wants a thread; without one PID 1 panicked.
#[test]
fn at_a_limit_of_processes_an_init_that_can_start_none_says_so_and_fails() {
    let Some(engine) = Engine::new() else { return };
    let plain = run_when_full(&engine, &[], "berth-init -- true");
    assert_eq!(plain.code, Some(126), "{plain:#?}");
    assert!(plain.err.contains("cannot run /usr/bin/true"), "{}", plain.err);
    assert!(plain.err.contains("Resource temporarily unavailable"), "{}", plain.err);

    let settings = settings(&engine);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let role = run_when_full(&engine, &settings, "berth-init smtp");
    assert_eq!(role.code, Some(126), "{role:#?}");
    assert!(role.err.contains("cannot run /usr/local/bin/node"), "{}", role.err);

    let need = ["--env=MONGO_URI=mongodb://stores.invalid/", "--env=BERTH_NEED_WITHIN=0.5"];
    let waiting = run_when_full(&engine, &[&settings[..], &need].concat(), "berth-init smtp");
    assert_eq!(waiting.code, Some(69), "{waiting:#?}");
    assert!(waiting.err.contains("a need did not answer in time"), "{}", waiting.err);
}

/// In the place of a role's program: takes all processes that it can have, and is ready then.
const TAKE_ALL: &str = "import { spawn } from 'node:child_process';
process.on('SIGTERM', () => process.exit(0));
const more = () => spawn('sleep', ['600']).on('spawn', more).on('error', error => {
  console.log(`no more: ${error.code}`);
  process.send('ready');
});
more();
";

#[test]
fn a_role_whose_program_has_taken_all_processes_is_stopped_in_its_time() {
    let Some(engine) = Engine::new() else { return };
    let program = engine.case.write("take-all.js", TAKE_ALL);
    let program = format!("--volume={}:/app/smtp.js:ro", program.display());
    let container = start_role(&engine, "full", &["--pids-limit=48", &program]);
    logs(&engine, &container, "no more: EAGAIN");
    logs(&engine, &container, "\"message\":\"ready\"");
    is_without_rights(first(&engine, &container));
    engine.done(&["stop", "--timeout=60", &container]);
    assert_eq!(is_over(&engine, &container)["State"]["ExitCode"], 0);
    logs(&engine, &container, "\"verdict\":\"drained\"");
    none_was_waited_for(&engine, &container);
}

/// Health and status found nobody there, and the container was unhealthy for ever.
#[test]
fn below_the_engines_own_init_a_role_is_asked_and_stopped_as_without() {
    let Some(engine) = Engine::new() else { return };
    let container = start_role(&engine, "below", &["--init"]);
    engine.becomes(&container, "healthy");
    let outer = first(&engine, &container);
    assert!(outer.words()[0].ends_with("docker-init"), "{:?}", outer.words());
    let init = child(outer, "berth-init");
    is_without_rights(init);
    child(init, "node");
    let status = engine.done(&["exec", &container, "berth-init", "status"]);
    assert!(status.contains("smtp ready"), "{status}");
    engine.done(&["stop", "--timeout=60", &container]);
    let seen = is_over(&engine, &container);
    assert_eq!(seen["State"]["ExitCode"], 0, "{seen:#}");
    logs(&engine, &container, "\"verdict\":\"drained\"");
}

#[test]
fn below_the_engines_own_init_orphans_are_reaped_and_an_exit_code_is_passed_on_as_without() {
    let Some(engine) = Engine::new() else { return };
    let image = image();
    let script = "(sleep 600 &); trap 'exit 7' TERM; echo there; until false; do sleep 0.1; done";
    let words = ["--init", "--network=none", &image, "--stop=role", "--", "sh", "-c", script];
    let container = engine.start("orphans", &words);
    logs(&engine, &container, "there");
    let init = child(first(&engine, &container), "berth-init");
    let main = child(init, "sh");
    child(init, "sleep").signal(SIGTERM).unwrap();
    is_alone_with(init, main);
    engine.done(&["stop", "--timeout=60", &container]);
    assert_eq!(is_over(&engine, &container)["State"]["ExitCode"], 7);
}

/// Has PID 1 end. The kernel kills the shell with the container if it is still there then.
fn ask_from_inside(engine: &Engine, container: &str) {
    let ran = engine.run(&["exec", container, "sh", "-c", "kill -TERM 1"]);
    assert!(matches!(ran.code, Some(0 | 137)), "{ran:#?}");
}

#[test]
fn under_on_failure_a_role_that_was_killed_is_started_again_and_one_that_was_asked_to_end_is_not() {
    let Some(engine) = Engine::new() else { return };
    let container = start_role(&engine, "restarts", &["--restart=on-failure"]);
    engine.becomes(&container, "healthy");
    child(first(&engine, &container), "node").signal(SIGKILL).unwrap();
    is_started_again(&engine, &container);
    // Somebody in there, so that the engine knows nothing of it but the exit code.
    ask_from_inside(&engine, &container);
    let seen = is_over(&engine, &container);
    assert_eq!((&seen["State"]["ExitCode"], &seen["RestartCount"]), (&0.into(), &1.into()), "{seen:#}");

    // Before there is a program the code is 143, which would be a failure if the engine had not asked for the end itself.
    let need = ["--restart=on-failure", "--env=MONGO_URI=mongodb://127.0.0.1:1/"];
    let container = start_role(&engine, "waits", &need);
    logs(&engine, &container, "waits for its needs");
    engine.done(&["stop", "--timeout=60", &container]);
    let seen = is_over(&engine, &container);
    assert_eq!((&seen["State"]["ExitCode"], &seen["RestartCount"]), (&143.into(), &0.into()), "{seen:#}");
}

#[test]
fn under_always_a_role_that_ended_well_is_started_again_and_one_that_the_engine_stopped_is_not() {
    let Some(engine) = Engine::new() else { return };
    let container = start_role(&engine, "always", &["--restart=always"]);
    engine.becomes(&container, "healthy");
    ask_from_inside(&engine, &container);
    is_started_again(&engine, &container);
    engine.done(&["stop", "--timeout=60", &container]);
    let seen = is_over(&engine, &container);
    assert_eq!((&seen["State"]["ExitCode"], &seen["RestartCount"]), (&0.into(), &1.into()), "{seen:#}");
}
