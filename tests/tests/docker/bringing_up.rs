//! What `berth up --engine compose` comes to.

use std::collections::BTreeMap;
use std::time::Instant;

use berth_tests::tell;
use serde_json::Value;

use crate::installation::{ROLES, STORES};
use crate::stack::stack;

#[test]
fn every_service_is_healthy_on_a_document_store_and_redis_and_a_mail_goes_through() {
    let Some(stack) = stack() else { return };
    for service in STORES.iter().chain(&ROLES).chain(&["front"]) {
        let state = stack.inspect(service)["State"].clone();
        assert_eq!(state["Health"]["Status"], "healthy", "{service}: {state:#}");
    }
    let proof = stack.done(&["prove"]).out;
    assert!(proof.contains("proven: a mail goes through"), "{proof}");
    tell(&format!("in containers, on FerretDB and Redis, through the front:\n{proof}"));
    // On the document store, and not on files.
    let listed = stack.exec("sqlite", &["ls", "-A", "/mnt", "/mnt/data"]).out;
    assert!(!listed.contains("accounts.sqlite") && !listed.contains("queue.sqlite"), "{listed}");
}

#[test]
fn a_second_up_changes_nothing() {
    let Some(stack) = stack() else { return };
    let containers = || -> BTreeMap<String, (Value, Value, Value)> {
        let all = STORES.iter().chain(&ROLES).chain(&["front"]);
        let seen = all.map(|service| {
            let seen = stack.inspect(service);
            let state =
                (seen["Id"].clone(), seen["State"]["StartedAt"].clone(), seen["RestartCount"].clone());
            ((*service).to_owned(), state)
        });
        seen.collect()
    };
    let before = containers();
    let begun = Instant::now();
    stack.done(&["up", "--detach", "--no-prove"]);
    tell(&format!("a second up, with nothing to do: {:.1} s", begun.elapsed().as_secs_f32()));
    assert_eq!(containers(), before);
}
