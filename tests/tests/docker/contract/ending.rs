//! How roles end, asked and not, and how they come back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use berth_tests::{Served, have, tell, wait_until_within};
use nix::libc::SIGKILL;
use serde_json::json;

use crate::installation::{Installation, START};
use crate::stack::stack;

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/contract/clients.py");

/// A client of each role that has a port, for as long as this lives; signed in, where there can be a user.
struct Clients(Child);

impl Clients {
    fn connect(installation: &Installation) -> Self {
        let user = installation.makes_users().then(|| installation.user("guest"));
        let plan = json!({
            "imap": installation.port("imap"), "pop3": installation.port("pop3"), "smtp": installation.port("smtp"),
            "mx": installation.port("mx"), "https": installation.published("https"), "domain": "example.test",
            "authority": installation.authority(),
            "user": user.map(|user| [user.address, user.password]),
        });
        let mut client = installation.engine.case.command("python3");
        let mut client = client.arg(CLIENTS).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(client.stdin.as_mut().unwrap(), "{plan}").unwrap();
        let mut line = String::new();
        BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n");
        Self(client)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The application's processes in a container, killed by somebody who is in there.
const KILL_NODE: &str = "for process in /proc/[0-9]*; do
    case \"$(readlink $process/exe)\" in */node) kill -KILL ${process#/proc/};; esac; done; true";

/// Waits until a role that had been started so often runs anew, healthy.
fn back(stack: &Installation, role: &str, restarts: i64) {
    wait_until_within(START, &format!("{role} is started again"), || {
        (stack.restarts(role) > restarts).then_some(())
    });
    stack.becomes(role, "healthy");
}

#[test]
fn a_role_that_is_stopped_with_clients_connected_ends_well_within_its_grace() {
    if !have(&["python3"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let _clients = Clients::connect(&stack);
    let mut told = Vec::new();
    let roles = stack.roles();
    let restarts = || roles.iter().map(|role| stack.restarts(role)).collect::<Vec<_>>();
    let before = restarts();
    // What is needed last.
    for role in roles.iter().rev() {
        // Somebody has a shell in there, which is no reason to wait.
        stack.engine.done(&["exec", "--detach", &stack.container(role), "sh", "-c", "sleep 600; true"]);
        let grace = stack.inspect(role)["Config"]["StopTimeout"].as_u64().unwrap();
        let begun = Instant::now();
        stack.engine.done(&["stop", &stack.container(role)]);
        let took = begun.elapsed();
        let state = stack.inspect(role)["State"].clone();
        // 1 is how the application ends when it has waited for a client in vain; what others end with is in the catalogue.
        let codes: &[i64] = if stack.makes_users() { &[0, 1] } else { &[0, 1, 130, 143] };
        let code = state["ExitCode"].as_i64().unwrap();
        assert!(codes.contains(&code) && state["OOMKilled"] == false, "{role}: {state:#}");
        // Five seconds of it are the engine's.
        assert!(took < Duration::from_secs(grace - 5), "{role} took {took:?}");
        let log = stack.engine.run(&["logs", "--tail", "20", &stack.container(role)]);
        let mut lines = log.out.lines().chain(log.err.lines());
        let end = lines.rfind(|line| line.contains("main process ended"));
        let normal = ["\"normal\":true", "\"asked_by\":\"SIGTERM\""];
        assert!(end.is_some_and(|end| normal.iter().all(|part| end.contains(part))), "{role}: {log:#?}");
        told.push(format!("{role} {code} after {} ms", took.as_millis()));
    }
    tell(&format!("docker stop with clients connected: {}", told.join(", ")));
    let are_over = |role: &&str| stack.inspect(role)["State"]["Status"] == "exited";
    assert!(roles.iter().all(are_over), "under unless-stopped a stop is for good");
    assert_eq!(restarts(), before);
    for role in &roles {
        stack.engine.done(&["start", &stack.container(role)]);
    }
    stack.all_healthy(&roles);
}

#[test]
fn roles_whose_pid_1_or_program_is_killed_come_back_healthy() {
    let Some(stack) = stack() else { return };
    let roles = stack.roles();
    for how in ["PID 1, from the host", "Node, from inside"] {
        let before: Vec<_> = roles.iter().map(|role| (stack.restarts(role), stack.main(role))).collect();
        let begun = Instant::now();
        for role in &roles {
            if how.starts_with("PID 1") {
                stack.init(role).signal(SIGKILL).unwrap();
            } else {
                // The container may end before the shell in it does, and the kernel kills that then.
                let code = stack.exec(role, &["sh", "-c", KILL_NODE]).code;
                assert!(matches!(code, Some(0 | 137)), "{role}: {code:?}");
            }
        }
        for (role, (restarts, main)) in roles.iter().zip(before) {
            back(&stack, role, restarts);
            assert!(!main.lives() || stack.main(role) != main, "{role} left its program behind");
        }
        tell(&format!(
            "{how}: all {} killed at once, healthy after {:.1} s",
            roles.len(),
            begun.elapsed().as_secs_f32()
        ));
    }
    stack.done(&["prove"]);
}
