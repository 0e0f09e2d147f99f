use berth_tests::Case;

use crate::running::{Init, Place, places, stderr};

#[test]
fn every_exit_code_is_passed_on() {
    for code in 0..=255 {
        let case = Case::new();
        let output = Init::plain(&case, Place::Ordinary, &[&format!("exit={code}")]).output();
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn a_roles_exit_code_is_passed_on_too() {
    for place in places() {
        for code in [0, 1, 7, 127, 255] {
            let case = Case::new();
            let mut init = Init::role(&case, place, "mx", &format!("ready exit={code}")).start();
            assert_eq!(init.end(), code);
        }
        let case = Case::new();
        assert_eq!(Init::role(&case, place, "mx", "ready die=9").start().end(), 137);
    }
}

#[test]
fn an_end_that_nobody_asked_for_is_never_normal() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready exit=0").start();
    assert_eq!(init.end(), 0);
    let ends = init.logged("main process ended");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["normal"], false);
    assert_eq!(ends[0]["asked_by"], "nobody");
    assert_eq!(ends[0]["level"], "WARN");
}

#[test]
fn an_end_tells_how_why_and_who_asked() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_said("main catching");
    assert_eq!(init.stop(), 0);
    let ends = init.logged("main process ended");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!((&ends[0]["exit"], &ends[0]["asked_by"]), (&"exit 0".into(), &"SIGTERM".into()));
    assert_eq!(ends[0]["normal"], true);
    assert!(ends[0]["lived_ms"].is_u64());
    // Who sent the signal, as far as the kernel tells.
    let signals = init.logged("signal");
    assert_eq!(signals[0]["sender"], std::process::id());
}

#[test]
fn a_role_without_node_or_without_its_entrypoint_is_127() {
    let case = Case::new();
    let without_node = Init::role(&case, Place::Ordinary, "mx", "").set("BERTH_NODE", "/no/node").output();
    assert_eq!(without_node.status.code(), Some(127));
    assert!(stderr(&without_node).contains("/no/node"), "{}", stderr(&without_node));

    let without_entrypoint = Init::role(&case, Place::Ordinary, "mx", "");
    fs_err::remove_file(case.path("app/mx.js")).unwrap();
    let output = without_entrypoint.output();
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("mx.js"), "{}", stderr(&output));
}
