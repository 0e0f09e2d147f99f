//! Flags that do not fit the engine, and what has to stay what it was.

use berth_tests::{Ran, application, init, node};

use crate::pretend::Pretend;

#[test]
fn flags_of_the_other_engine_are_refused_and_not_passed_over() {
    let pretend = Pretend::new();
    for (words, expected) in [
        (&["up", "--image", "mail:1"][..], "error: --image is for containers, and this engine is local"),
        (&["up", "--dry-run"], "error: --dry-run is for containers"),
        (&["up", "--overlay", "ferretdb"], "error: --overlay is for containers"),
        (&["up", "--change-stores"], "error: --change-stores is for containers"),
        (&["up", "--engine", "compose", "--at-once", "2"], "error: --at-once is for processes of this host"),
        (&["up", "--engine", "compose"], "error: which image the roles are to run is not known yet"),
        (
            &["up", "--engine", "compose", "--image", "mail:1", "--project", "My Mail"],
            "error: \"My Mail\" is no name",
        ),
        (&["up", "--engine", "compose", "--image", "mail:1", "--only", "imapp"], "hint: did you mean imap?"),
        (
            &["up", "--engine", "compose", "--image", "mail:1", "--overlay", "feretdb"],
            "hint: did you mean ferretdb?",
        ),
        (
            &["up", "--engine", "compose", "--image", "mail:1", "--overlay", "none,ferretdb"],
            "error: none means no overlay at all, and ferretdb is asked for too",
        ),
        (
            &["up", "--engine", "compose", "--image", "mail:1", "--listen", "127.0.0.1,10.0.0.1"],
            "error: Compose publishes on one address, or on all",
        ),
        (&["up", "--engine", "swarm"], "invalid value 'swarm'"),
    ] {
        let ran = pretend.run(words);
        assert_eq!(ran.code, Some(64), "{words:?}: {ran:#?}");
        assert!(ran.err.contains(expected), "{words:?}: {}", ran.err);
        assert!(!pretend.state("").exists(), "{words:?}");
    }
}

#[test]
fn an_installation_stays_with_its_engine_its_domain_and_its_project() {
    let pretend = Pretend::new();
    pretend.up();
    for (words, expected) in [
        (&["up", "--engine", "local"][..], "is run by the engine compose, not by local"),
        (&["up", "--domain", "other.test"], "is for example.test, not for other.test"),
        (&["up", "--project", "other"], "project is berth, not other"),
    ] {
        let ran = pretend.run(words);
        assert_eq!(ran.code, Some(64), "{words:?}: {ran:#?}");
        assert!(ran.err.contains(expected), "{words:?}: {}", ran.err);
    }
    pretend.done(&["up", "--no-prove"]);
    pretend.done(&["down"]);
    let ran = pretend.run(&["up", "--engine", "local"]);
    assert_eq!(ran.code, Some(64), "its data are where the other engine has them: {ran:#?}");
}

#[test]
fn one_of_the_other_engine_is_not_brought_up_by_this() {
    let pretend = Pretend::new();
    let mut up = pretend.berth(&["up", "--detach", "--no-prove", "--only", "imap", "--port-offset", "28000"]);
    up.env("BERTH_APP_DIR", application()).env("BERTH_INIT", init()).env("BERTH_NODE", node().unwrap());
    Ran::done(&mut up);
    let ran = pretend.run(&["up", "--engine", "compose", "--image", "mail:1"]);
    assert_eq!(ran.code, Some(64), "{ran:#?}");
    assert!(ran.err.contains("is run by the engine local, not by compose"), "{}", ran.err);
    let ran = pretend.run(&["down", "--volumes", "--yes"]);
    assert_eq!(ran.code, Some(64), "{ran:#?}");
    assert!(ran.err.contains("there are no volumes: the roles are processes of this host"), "{}", ran.err);
    pretend.done(&["down"]);
    assert_eq!(pretend.changes(), Vec::<String>::new());
}
