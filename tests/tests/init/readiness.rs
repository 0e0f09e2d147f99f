use berth_tests::{Case, node, skip, wait_until};

use crate::running::{Init, Place, places};

#[test]
fn a_role_is_ready_when_its_program_says_so() {
    for place in places() {
        let case = Case::new();
        // The gate: it is not ready before.
        let script = "until [ -e go ]; do sleep 0.01; done\nexec $WITNESS name=main ready on=15:0 catch";
        let mut init = Init::script(&case, place, "mx", script).start();
        let status = init.until("starting");
        assert!(status["ready_after_ms"].is_null());
        case.write("app/go", "");
        let status = init.until_ready();
        assert_eq!(status["role"], "mx");
        assert!(status["ready_after_ms"].is_u64());
        assert_eq!(init.stop(), 0);
        assert_eq!(init.logged("ready").len(), 1);
    }
}

#[test]
fn a_node_program_says_ready_with_process_send() {
    let Some(node) = node() else { return skip("there is no node") };
    for place in places() {
        let case = Case::new();
        let script = "process.on('SIGTERM', () => process.exit(0));
            setInterval(() => {}, 1000);
            process.send('ready');
            console.log('sent');";
        let mut init = Init::script(&case, place, "mx", script).set("BERTH_NODE", &node).start();
        init.until_said("sent");
        init.until("ready");
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn other_messages_and_half_a_message_are_not_ready() {
    let case = Case::new();
    let words =
        r#"'send={"a":"ready"}' 'send=ready' 'send="ready' 'send="readyy"' 'send= "ready"' on=15:0 catch"#;
    let mut init = Init::role(&case, Place::Ordinary, "mx", words).start();
    init.until_said("main catching");
    // All was written before; what would make it ready has been read before this is asked twice.
    assert_eq!(init.status().unwrap()["state"], "starting");
    assert_eq!(init.status().unwrap()["state"], "starting");
    assert_eq!(init.stop(), 0);
}

#[test]
fn ready_is_heard_after_other_messages() {
    let case = Case::new();
    let long = "x".repeat(10_000);
    let words = format!("send={long} 'send={{\"a\":1}}' ready on=15:0 catch");
    let mut init = Init::role(&case, Place::Ordinary, "mx", &words).start();
    init.until_ready();
    assert_eq!(init.stop(), 0);
}

#[test]
fn a_role_that_is_not_ready_in_time_is_stopped_and_ends_with_69() {
    for place in places() {
        let case = Case::new();
        let init = Init::role(&case, place, "mx", "on=15:0 catch").set("BERTH_READY_WITHIN", "5");
        let mut init = init.start();
        assert_eq!(init.end(), 69);
        assert_eq!(init.said(), ["main catching", "main signal 15"]);
        assert_eq!(init.logged("not ready in time").len(), 1);
        assert_eq!(init.logged("main process ended")[0]["asked_by"], "not ready in time");
    }
}

#[test]
fn a_role_that_never_says_ready_is_ready_once_it_has_lived_a_while() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "smtp-bree", "on=15:1 catch").start();
    assert_eq!(init.until("starting")["role"], "smtp-bree");
    assert_eq!(init.until("ready")["state"], "ready");
    // The role's own time, whatever the machine: five seconds.
    assert!(init.logged("ready")[0]["after_ms"].as_u64() >= Some(5000));
    init.until_said("main catching");
    assert_eq!(init.stop(), 1);
    // It ends with 1 when its workers are slow to end: for this role that is normal.
    assert_eq!(init.logged("main process ended")[0]["normal"], true);
}

#[test]
fn ready_is_not_believed_while_draining() {
    let case = Case::new();
    let script = "trap 'echo trapped; $WITNESS ready; echo told' TERM
        echo waiting
        until [ -e go ]; do sleep 0.01; done
        exit 0";
    let mut init = Init::script(&case, Place::Ordinary, "mx", script).start();
    init.until_said("waiting");
    init.signal(15);
    init.until_said("told");
    assert_eq!(init.status().unwrap()["state"], "draining");
    assert_eq!(init.status().unwrap()["state"], "draining");
    case.write("app/go", "");
    assert_eq!(init.end(), 0);
    assert!(init.logged("ready").is_empty());
}

#[test]
fn a_stop_before_ready_is_a_stop() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "on=15:3 catch").start();
        init.until_said("main catching");
        assert_eq!(init.stop(), 3);
        wait_until("nothing is left", || case.processes().is_empty().then_some(()));
    }
}
