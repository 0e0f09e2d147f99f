//! `berth down` keeps the data, unless somebody says twice that they are to go.

use crate::pretend::Pretend;

#[test]
fn down_keeps_the_volumes_and_the_next_up_knows_its_engine() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let ran = pretend.done(&["down"]);
    assert_eq!(pretend.changes(), ["docker compose down --remove-orphans"]);
    assert!(ran.err.contains("imap stopped after "), "{}", ran.err);
    assert!(ran.err.ends_with("nothing of it runs any more\n"), "{}", ran.err);
    let ran = pretend.run(&["status"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "  nothing is up here: berth up\n"));
    pretend.done(&["up", "--no-prove"]);
    assert_eq!(pretend.changes(), ["docker compose up --detach --no-build --quiet-pull --remove-orphans"]);
}

#[test]
fn volumes_go_only_when_their_names_were_told_and_somebody_said_yes() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("volumes", "berth_mailboxes\nberth_mongodb\n");
    pretend.changes();
    let ran = pretend.run(&["down", "--volumes"]);
    assert_eq!(ran.code, Some(64), "{ran:#?}");
    let told = "all mail and all accounts are lost with the volumes berth_mailboxes, berth_mongodb";
    assert!(ran.err.contains(told) && ran.err.contains("berth down --volumes --yes"), "{}", ran.err);
    assert_eq!(pretend.changes(), Vec::<String>::new());
    let ran = pretend.done(&["down", "--volumes", "--yes"]);
    assert!(ran.err.starts_with(told), "{}", ran.err);
    assert_eq!(pretend.changes(), ["docker compose down --remove-orphans --volumes"]);
}

/// What another overlay had made was told to be lost, and stayed.
#[test]
fn volumes_that_the_files_do_not_name_any_more_go_too() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("volumes", "berth_mailboxes\nberth_of_another_store\n");
    pretend.changes();
    pretend.done(&["down", "--volumes", "--yes"]);
    let down = "docker compose down --remove-orphans --volumes";
    assert_eq!(pretend.changes(), [down, "docker volume rm berth_of_another_store"]);
}
