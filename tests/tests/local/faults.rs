//! Each process is killed in turn while mails go in.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_tests::wait_until;
use nix::libc::SIGKILL;

use crate::load::{Load, Mails};
use crate::service::{ROLES, Service, have, tell};

/// The order of the kills is drawn from a number that is told, and taken from `BERTH_TEST_SEED` when that is set.
pub fn seed() -> u64 {
    let given =
        std::env::var("BERTH_TEST_SEED").ok().map(|text| text.parse().expect("BERTH_TEST_SEED is a number"));
    given.unwrap_or_else(|| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()))
}

/// Fisher and Yates, with Knuth's constants for the 64-bit linear congruential generator.
pub fn shuffle<T>(all: &mut [T], mut seed: u64) {
    for end in (1..all.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(end, usize::try_from(seed >> 33).unwrap() % (end + 1));
    }
}

#[test]
fn every_mail_that_was_answered_250_is_there_whatever_process_is_killed() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up();
    let load = Load::start(&service, Mails { threads: 2, size: 4000, pause: 0.02 });
    // A main process twice: what has to survive is in its hands.
    let of_role = |role: &'static str| [(role, "main"), (role, "main"), (role, "init")];
    let mut victims: Vec<_> = ROLES.into_iter().flat_map(of_role).collect();
    let seed = seed();
    shuffle(&mut victims, seed);
    let names: Vec<_> = victims.iter().map(|(role, which)| format!("{role} {which}")).collect();
    tell(&format!("killed in turn: {} (BERTH_TEST_SEED={seed})", names.join(", ")));
    for (role, which) in victims {
        load.goes_on(5);
        let (init, main) = (service.process(role, "init"), service.process(role, "main"));
        if which == "init" {
            init.signal(SIGKILL).unwrap();
            wait_until("its main process goes with it", || (!main.lives()).then_some(()));
            service.bring_up();
        } else {
            main.signal(SIGKILL).unwrap();
            wait_until("its init starts another one", || {
                let now = service.role(role);
                (now["state"] == "ready" && now["main"] != main.0 && now["init"] == init.0).then_some(())
            });
        }
    }
    load.goes_on(5);
    load.finish("kill -9");
    service.down();
}
