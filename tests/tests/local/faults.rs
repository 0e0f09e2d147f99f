//! Each process is killed in turn while mails go in.

use berth_tests::{Chance, Load, Mails, wait_until};
use nix::libc::SIGKILL;

use crate::service::{ROLES, Service, have, tell};

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
    let mut chance = Chance::new();
    chance.shuffle(&mut victims);
    let names: Vec<_> = victims.iter().map(|(role, which)| format!("{role} {which}")).collect();
    tell(&format!("killed in turn: {} (BERTH_TEST_SEED={})", names.join(", "), chance.seed()));
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
