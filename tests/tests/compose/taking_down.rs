//! `berth down` keeps the data, unless somebody says twice that they are to go.

use std::fs::File;

use berth_tests::{Process, wait_until};
use nix::libc::SIGINT;

use crate::pretend::{Pretend, container};

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

/// `status` said that nothing was up, while mail was taken.
#[test]
fn what_a_failed_down_has_left_running_is_shown_with_the_command_that_ends_it() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("containers-left.json", &pretend.of_long_ago(&[container("imap", "healthy")]));
    pretend.says("down.fails", "the daemon is busy\n");
    let ran = pretend.run(&["down"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let ran = pretend.run(&["status"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let row =
        |name: &str| ran.out.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    assert!(row("imap ").contains(" healthy ") && row("sqlite ").contains(" down "), "{}", ran.out);
    let told = "\n  it was taken down only in part, and the rest goes on running; to take that down too: berth down\n";
    assert!(ran.out.ends_with(told), "{}", ran.out);
    fs_err::remove_file(pretend.case.path("docker/down.fails")).unwrap();
    pretend.done(&["down"]);
    assert_eq!(pretend.run(&["status"]).out, "  nothing is up here: berth up\n");
}

/// It was said that a second Ctrl-C kills what is left, which is Docker's to do; and `up --once` ended with 1.
#[test]
fn whoever_does_not_wait_for_down_is_told_that_the_rest_goes_on() {
    for words in [&["down"][..], &["up", "--once", "--no-prove"]] {
        not_waited_for(words);
    }
}

fn not_waited_for(words: &[&str]) {
    let pretend = Pretend::new();
    pretend.up();
    pretend.says("containers-left.json", &pretend.of_long_ago(&[container("imap", "healthy")]));
    pretend.says("down-lasts", "");
    let talk = File::create(pretend.case.path("talk")).unwrap();
    let mut down = pretend.berth(words).stdout(talk.try_clone().unwrap()).stderr(talk).spawn().unwrap();
    let says = |what: &str| wait_until(what, || pretend.case.read("talk").contains(what).then_some(()));
    let berth = Process::of(&down);
    let interrupt = || berth.signal(SIGINT).unwrap();
    says("mongodb stopped after ");
    interrupt();
    says("; once more ends the waiting, and what was not asked to stop yet goes on running\n");
    interrupt();
    let ended = wait_until("it ends", || down.try_wait().unwrap());
    assert_eq!(ended.code(), Some(130));
    let talk = pretend.case.read("talk");
    assert!(talk.ends_with("the rest goes on running; to take that down too: berth down\n"), "{talk}");
    assert!(pretend.run(&["status"]).out.contains("taken down only in part"));
}
