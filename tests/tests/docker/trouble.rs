//! A role in trouble, and whether one is told the reason.

use berth_tests::{Process, wait_until_within};

use crate::engine::PATIENCE;
use crate::installation::{Installation, image};
use crate::stack::stack;

/// Takes memory until somebody is killed for it.
const EAT: &str = "head -c 1G /dev/zero | tail -c 1G | wc -c";

/// Has the kernel choose this process first when memory is short.
fn first_to_go(process: Process) {
    fs_err::write(format!("/proc/{}/oom_score_adj", process.0), "1000").unwrap();
}

/// Lets a role's engine start it again, as before, whatever the test comes to.
struct Restarting<'a>(&'a Installation, &'a str);

impl Drop for Restarting<'_> {
    fn drop(&mut self) {
        let container = self.0.container(self.1);
        self.0.engine.run(&["update", "--restart=unless-stopped", &container]);
        self.0.engine.run(&["start", &container]);
    }
}

#[test]
fn a_role_that_uses_more_memory_than_its_limit_is_told_to_have_done_so() {
    let Some(stack) = stack() else { return };
    let (role, container) = ("bree", stack.container("bree"));
    // Else the engine has it running again before anybody can look.
    stack.engine.done(&["update", "--restart=no", &container]);
    let restarting = Restarting(&stack, role);
    first_to_go(stack.main(role));
    stack.exec(role, &["sh", "-c", EAT]);
    let state = wait_until_within(PATIENCE, "it ends", || {
        let state = stack.inspect(role)["State"].clone();
        (state["Status"] == "exited").then_some(state)
    });
    assert_eq!((&state["OOMKilled"], &state["ExitCode"]), (&true.into(), &137.into()), "{state:#}");
    let status = stack.run(&["status"]);
    let reason = "bree: was killed because it used more memory than its limit of 134 MB";
    assert!(status.code == Some(1) && status.out.contains(reason), "{}", status.out);
    drop(restarting);

    // By itself the engine starts it again.
    stack.becomes(role, "healthy");
    let restarts = stack.restarts(role);
    first_to_go(stack.main(role));
    stack.exec(role, &["sh", "-c", EAT]);
    wait_until_within(PATIENCE, "it is started again", || (stack.restarts(role) > restarts).then_some(()));
    stack.becomes(role, "healthy");
}

#[test]
fn a_role_whose_port_is_open_and_whose_protocol_is_broken_is_unhealthy_and_docker_inspect_says_why() {
    let Some(stack) = stack() else { return };
    // Beside the good one, with all that it has, but asked every second.
    let good = stack.container("caldav");
    let settings: Vec<_> = stack.inspect("caldav")["Config"]["Env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("--env={}", pair.as_str().unwrap()))
        .collect();
    let network = format!("--network={}_inside", stack.project());
    let from = format!("--volumes-from={good}:ro");
    let mut words: Vec<&str> = settings.iter().map(String::as_str).collect();
    let image = image();
    words.extend([&*network, &*from, "--env=POSTBOX_FAULTS=caldav:dav-404", "--tmpfs=/tmp", "--read-only"]);
    words.extend([
        "--health-interval=1s",
        "--health-start-period=1s",
        "--health-retries=3",
        &image,
        "caldav",
    ]);
    let name = stack.engine.start("broken", &words);
    let reason = wait_until_within(PATIENCE, "it is unhealthy by its protocol", || {
        let health = stack.engine.inspect(&name)["State"]["Health"].clone();
        let last = health["Log"].as_array()?.last()?["Output"].as_str()?.to_owned();
        (health["Status"] == "unhealthy" && last.contains("PROPFIND")).then_some(last)
    });
    assert!(
        reason.starts_with("unhealthy in ") && reason.contains("wrong answer, expected status 401"),
        "{reason}"
    );
    assert!(!reason.trim().contains('\n') && reason.len() <= 4096, "{reason}");
    let live = stack.engine.run(&["exec", &name, "berth-init", "health", "--live"]);
    assert_eq!(live.code, Some(0), "its process is worth keeping: {live:#?}");
    stack.engine.done(&["rm", "--force", &name]);
}
