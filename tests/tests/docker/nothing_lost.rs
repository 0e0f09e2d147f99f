//! Mails go in over both doors while every role is restarted, then killed in turn.

use berth_tests::{Chance, Load, Mails, have, tell, wait_until_within};
use nix::libc::SIGKILL;

use crate::installation::{ROLES, START};
use crate::stack::stack;

/// So many mails at least; `cargo xtask soak` says more.
const MAILS: usize = 200;

#[test]
fn every_mail_that_was_answered_250_is_found_whatever_role_is_restarted_or_killed() {
    if !have(&["python3"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let wanted = std::env::var("BERTH_TEST_MAILS").map_or(MAILS, |text| text.parse().unwrap());
    let load = Load::start(&*stack, Mails { threads: 2, size: 4000, pause: 0.3 });
    let mut chance = Chance::new();
    let mut victims = ROLES;
    chance.shuffle(&mut victims);
    let seed = chance.seed();
    tell(&format!("restarted and then killed in turn: {} (BERTH_TEST_SEED={seed})", victims.join(", ")));
    let each = wanted / (2 * 2 * victims.len()) + 1;
    for role in victims {
        load.goes_on(each);
        stack.done(&["restart", role]);
    }
    for role in victims {
        load.goes_on(each);
        let (main, restarts) = (stack.main(role), stack.restarts(role));
        main.signal(SIGKILL).unwrap();
        // The init ends with its program, and the engine starts the container again.
        wait_until_within(START, &format!("{role} is started again"), || {
            (stack.restarts(role) > restarts).then_some(())
        });
        stack.becomes(role, "healthy");
    }
    load.goes_on(5);
    assert!(load.taken() >= wanted, "{} of {wanted} mails", load.taken());
    load.finish("every role restarted, then killed");
    stack.done(&["prove"]);
}
