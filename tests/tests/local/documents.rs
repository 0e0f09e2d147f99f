//! Accounts and queue in a document store, FerretDB, and news over Redis: all that is there on files is there on these.

use berth_tests::{Chance, Load, Mails, wait_until};
use nix::libc::SIGKILL;

use crate::service::{ROLES, Service, tell};
use crate::stores;

#[test]
fn the_proof_passes_on_a_document_store_and_nothing_of_it_is_in_a_file() {
    let Some(programs) = stores::programs() else { return };
    let service = Service::new();
    let _stores = stores::up(&service, &programs);
    let proof = service.done(&["prove"]);
    tell(&format!("on FerretDB and Redis:\n{}", proof.out));
    for name in ["accounts.sqlite", "queue.sqlite"] {
        assert!(!service.files(&format!("data/{name}")).exists(), "{name}");
    }
    service.done(&["down"]);
}

#[test]
fn every_mail_that_was_answered_250_is_there_whichever_store_or_role_is_killed() {
    let Some(programs) = stores::programs() else { return };
    let service = Service::new();
    let mut stores = stores::up(&service, &programs);
    let load = Load::start(&service, Mails { threads: 2, size: 4000, pause: 0.02 });
    let mut victims = [&["FerretDB", "FerretDB", "FerretDB", "Redis", "Redis"], &ROLES[..]].concat();
    let mut chance = Chance::new();
    chance.shuffle(&mut victims);
    tell(&format!("killed in turn: {} (BERTH_TEST_SEED={})", victims.join(", "), chance.seed()));
    for victim in victims {
        load.goes_on(5);
        match victim {
            "FerretDB" => stores.documents.restart(),
            "Redis" => stores.redis.restart(),
            role => {
                let main = service.process(role, "main");
                main.signal(SIGKILL).unwrap();
                wait_until("its init starts another one", || {
                    let now = service.role(role);
                    (now["state"] == "ready" && now["main"] != main.0).then_some(())
                });
            }
        }
    }
    load.goes_on(5);
    // On a busy machine FerretDB is away for longer than a role waits for it.
    load.finish_in_doubt("kill -9 of FerretDB, Redis and roles");
    service.done(&["down"]);
}

#[test]
fn while_the_document_store_is_away_mails_are_put_off_and_health_says_why() {
    let Some(programs) = stores::programs() else { return };
    let service = Service::new();
    let mut stores = stores::up(&service, &programs);
    let load = Load::start(&service, Mails { threads: 1, size: 4000, pause: 0.1 });
    load.goes_on(5);
    let mains = service.all("main");
    stores.documents.kill();
    for door in ["submission", "mx"] {
        let code = wait_until("a mail is put off", || load.deferred(door).pop());
        assert!(["451", "454"].contains(&code.as_str()), "{door}: {code}");
    }
    for role in ROLES {
        let said = service.ask(role, &["health"]);
        assert_eq!(said.code, Some(1), "{role}: {said:#?}");
        assert!(said.out.contains("needs MONGO_URI"), "{role}: {said:#?}");
    }
    assert_eq!(service.all("main"), mains, "no role ended for want of it");
    stores.documents.start();
    load.goes_on(5);
    load.finish_in_doubt("the document store away");
    service.done(&["down"]);
}
