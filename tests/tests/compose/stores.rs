//! Where documents are kept does not change without a word: another store has none of the accounts.

use crate::pretend::{Pretend, UP};

#[test]
fn other_overlays_do_not_leave_the_store_behind_unless_that_is_said() {
    let pretend = Pretend::new();
    pretend.done(&[&UP[..], &["--overlay", "ferretdb"]].concat());
    pretend.changes();
    let env = pretend.case.read("state/compose/.env");
    for (asked, keep) in [("none", "ferretdb"), ("no-front", "ferretdb,no-front")] {
        let ran = pretend.run(&["up", "--no-prove", "--overlay", asked]);
        assert_eq!(ran.code, Some(69), "{ran:#?}");
        let expected = "accounts, domains and the queue are in FerretDB, and these overlays use MongoDB, which begins without them\n";
        assert!(ran.err.contains("REFUSED  store ") && ran.err.contains(expected), "{}", ran.err);
        let hint = format!("hint: to keep them: --overlay {keep}; to begin without them: --change-stores\n");
        assert!(ran.err.contains(&hint), "{}", ran.err);
    }
    assert_eq!(pretend.run(&["up", "--dry-run", "--overlay", "none"]).code, Some(69));
    assert_eq!(pretend.changes(), Vec::<String>::new());
    assert_eq!(pretend.case.read("state/compose/.env"), env);
    pretend.done(&["up", "--no-prove", "--overlay", "ferretdb,no-front"]);

    let ran = pretend.done(&["up", "--no-prove", "--overlay", "none", "--change-stores"]);
    assert!(ran.err.contains("warning  store ") && ran.err.contains("begins without them"), "{}", ran.err);
    let ran = pretend.run(&["up", "--no-prove", "--overlay", "ferretdb"]);
    assert_eq!(ran.code, Some(69), "nor back: {ran:#?}");
    let hint = "hint: to keep them: --overlay none; to begin";
    assert!(ran.err.contains("are in MongoDB, ") && ran.err.contains(hint), "{}", ran.err);
}

#[test]
fn what_is_down_keeps_its_data_and_what_has_lost_them_may_begin_with_any_store() {
    let pretend = Pretend::new();
    pretend.done(&[&UP[..], &["--overlay", "ferretdb"]].concat());
    pretend.done(&["down"]);
    pretend.says("volumes", "berth_postgresql\n");
    assert_eq!(pretend.run(&["up", "--no-prove", "--overlay", "none"]).code, Some(69));
    pretend.done(&["down", "--volumes", "--yes"]);
    pretend.says("volumes", "");
    pretend.done(&["up", "--no-prove", "--overlay", "none"]);
}
