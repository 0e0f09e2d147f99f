//! What asking leaves behind.

use berth_tests::{Process, wait_until_within};

use crate::engine::PATIENCE;
use crate::installation::Installation;
use crate::stack::stack;

/// As many as an engine asks in 25 minutes.
const CHECKS: usize = 50;

/// Files that are open, and memory in KiB.
fn holds(init: Process) -> (usize, u64) {
    let files = fs_err::read_dir(format!("/proc/{}/fd", init.0)).unwrap().count();
    (files, init.resident().unwrap())
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
        // It gives back a moment after the last question what it fetched for it.
        let none = format!("{role}: no file is left open and no more than {memory} KiB held");
        wait_until_within(PATIENCE, &none, || {
            let (now, kib) = holds(init);
            (now <= files && kib < memory + 512).then_some(())
        });
    }
}
