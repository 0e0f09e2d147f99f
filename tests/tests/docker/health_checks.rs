//! What asking costs the asked.

use berth_tests::{Process, tell, wait_until_within};

use crate::engine::PATIENCE;
use crate::installation::Installation;
use crate::stack::stack;

/// As many as an engine asks in 25 minutes.
const CHECKS: usize = 50;

/// Files that are open, and memory in KiB.
fn holds(init: Process) -> (usize, u64) {
    let files = fs_err::read_dir(format!("/proc/{}/fd", init.0)).unwrap().count();
    let memory = init.status("VmRSS").unwrap();
    (files, memory.trim_end_matches(" kB").trim().parse().unwrap())
}

fn ask(stack: &Installation, role: &str) {
    let said = stack.exec(role, &["berth-init", "health"]);
    assert_eq!(said.code, Some(0), "{said:#?}");
}

#[test]
fn fifty_health_checks_in_a_row_leave_no_zombie_and_nothing_that_grows() {
    let Some(stack) = stack() else { return };
    for role in ["imap", "sqlite-bree"] {
        let (init, main) = (stack.init(role), stack.main(role));
        // What is made at the first time only.
        for _ in 0..5 {
            ask(&stack, role);
        }
        let (files, memory) = holds(init);
        for _ in 0..CHECKS {
            ask(&stack, role);
        }
        // One that the engine asks at this moment is none that is left.
        wait_until_within(PATIENCE, &format!("{role}: PID 1 has its program alone"), || {
            (init.children() == [main]).then_some(())
        });
        let now = wait_until_within(PATIENCE, &format!("{role}: no file is left open"), || {
            let (now, memory) = holds(init);
            (now <= files).then_some(memory)
        });
        assert!(now < memory + 512, "{role}: {memory} KiB before, {now} KiB after");
    }
}

/// CPU milliseconds that a container has used, all of its processes together; by cgroup version 2, else by 1.
fn used(stack: &Installation, service: &str) -> f64 {
    let script = "sed -n 's/^usage_usec \\(.*\\)/\\1000/p' /sys/fs/cgroup/cpu.stat 2>/dev/null | grep . || \
        cat /sys/fs/cgroup/cpuacct/cpuacct.usage";
    let ran = stack.exec(service, &["sh", "-c", script]);
    ran.out.trim().parse::<f64>().unwrap_or_else(|_| panic!("{ran:#?}")) / 1e6
}

/// CPU milliseconds of a process with its threads: utime and stime (proc_pid_stat(5)), in hundredths of a second.
fn used_by(process: Process) -> f64 {
    let stat = process.file("stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<f64>().unwrap() * 10.0).sum()
}

/// A figure for a person to read. The curl is the front's, in another container than the role.
#[test]
fn the_cpu_of_a_health_check_is_told_beside_that_of_curl() {
    let Some(stack) = stack() else { return };
    let each = |container: &str, words: &[&str]| {
        let before = used(&stack, container);
        for _ in 0..CHECKS {
            let ran = stack.exec(container, words);
            assert_eq!(ran.code, Some(0), "{words:?}: {ran:#?}");
        }
        (used(&stack, container) - before) / f64::from(u32::try_from(CHECKS).unwrap())
    };
    let role = stack.main("web");
    let before = used_by(role);
    let all = each("web", &["berth-init", "health"]);
    let answering = (used_by(role) - before) / f64::from(u32::try_from(CHECKS).unwrap());
    let page = ["curl", "--silent", "--insecure", "--output", "/dev/null", "https://web:3000/"];
    let (curl, nothing) = (each("front", &page), each("front", &["true"]));
    tell(&format!(
        "CPU a time, of {CHECKS}: berth-init health of web {:.1} ms, and web's own to answer {answering:.1} ms; curl of its \
         page {curl:.1} ms; starting `true` {nothing:.1} ms",
        all - answering
    ));
}
