//! The application cuts off whoever is connected when it gets TERM, so TERM waits for a moment without clients.

use std::io::Read;
use std::net::Shutdown;

use berth_tests::{Case, wait_until};

use crate::listening::Door;
use crate::running::{Init, Place, Running, places, stdout};

/// Times that no test waits out: what ends before did not need them.
const LONG: &str = "600";
const LONGER: &str = "1200";

/// The role mx on this port, with a long time for a quiet moment.
fn patient<'a>(case: &'a Case, place: Place, door: &Door) -> Init<'a> {
    let init = Init::role(case, place, "mx", "ready on=15:0 catch").set("MX_PORT", door.port());
    init.set("BERTH_QUIET", LONG).set("BERTH_GRACE", LONGER)
}

fn started(init: Init<'_>) -> Running<'_> {
    let init = init.start();
    init.until_ready();
    init
}

/// Waits until the init says that it waits for so many clients, which TERM has to wait for.
fn until_waiting(init: &Running, clients: &str) {
    wait_until(&format!("it waits for {clients}"), || {
        init.status().filter(|status| status["state"] == "draining" && status["waiting_for"][0] == clients)
    });
    assert_eq!(init.times("main signal 15"), 0);
}

#[test]
fn term_waits_until_the_last_client_has_left() {
    for place in places() {
        let case = Case::new();
        let door = Door::silent();
        let mut init = started(patient(&case, place, &door));
        let (first, second) = (door.enter(), door.enter());
        init.signal(15);
        until_waiting(&init, "2 clients to leave");
        drop(first);
        until_waiting(&init, "1 client to leave");
        drop(second);
        assert_eq!(init.end(), 0);
        assert_eq!(init.said(), ["main catching", "main signal 15"]);
        assert_eq!(init.logged("waits for its clients to leave").len(), 1);
    }
}

#[test]
fn when_the_time_for_a_quiet_moment_is_spent_term_is_sent_anyway() {
    for place in places() {
        let case = Case::new();
        let door = Door::silent();
        let mut init = started(patient(&case, place, &door).set("BERTH_QUIET", "0.4"));
        let _client = door.enter();
        assert_eq!(init.stop(), 0);
        assert_eq!(init.times("main signal 15"), 1);
        assert_eq!(init.logged("clients are still connected, and are waited for no longer").len(), 1);
    }
}

/// However long it may wait: the drain has to fit into the grace, or TERM would never come.
#[test]
fn waiting_leaves_room_for_the_drain() {
    let case = Case::new();
    let door = Door::silent();
    let init = patient(&case, Place::Ordinary, &door).set("BERTH_GRACE", "11").set("BERTH_DRAIN", "10.6");
    let mut init = started(init);
    let _client = door.enter();
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("main signal 15"), 1);
}

#[test]
fn without_clients_nothing_is_waited_for() {
    for place in places() {
        let case = Case::new();
        let door = Door::unclosing();
        let mut init = started(patient(&case, place, &door));
        let mut client = door.enter();
        client.shutdown(Shutdown::Write).unwrap();
        // It has heard that we left.
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(init.stop(), 0);
        assert!(init.logged("waits for its clients to leave").is_empty());
    }
}

#[test]
fn a_role_that_does_not_wait_is_not_kept_by_its_clients() {
    for (role, port, quiet) in [("sqlite", "SQLITE_PORT", ""), ("mx", "MX_PORT", "0")] {
        let case = Case::new();
        let door = Door::silent();
        let init = Init::role(&case, Place::Ordinary, role, "ready on=15:0 catch").set(port, door.port());
        let mut init = started(init.set("BERTH_QUIET", quiet).set("BERTH_GRACE", LONGER));
        let _client = door.enter();
        assert_eq!(init.stop(), 0, "{role}");
        assert!(init.logged("waits for its clients to leave").is_empty(), "{role}");
    }
}

#[test]
fn a_second_term_ends_the_waiting() {
    for place in places() {
        let case = Case::new();
        let door = Door::silent();
        let mut init = started(patient(&case, place, &door));
        let _client = door.enter();
        init.signal(15);
        until_waiting(&init, "1 client to leave");
        assert_eq!(init.stop(), 0);
        assert_eq!(init.times("main signal 15"), 1);
    }
}

#[test]
fn a_restart_in_place_waits_for_a_quiet_moment_too() {
    for place in places() {
        let case = Case::new();
        let door = Door::silent();
        let mut init = started(patient(&case, place, &door));
        let client = door.enter();
        assert!(init.ask(&["restart"]).status.success());
        until_waiting(&init, "1 client to leave");
        drop(client);
        init.until_said_times("main catching", 2);
        let status = init.until("ready");
        assert_eq!((&status["restarts"], &status["waiting_for"]), (&1.into(), &serde_json::json!([])));
        assert_eq!(init.times("main signal 15"), 1);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_that_waits_for_its_clients_is_live_and_not_healthy_and_says_why() {
    let case = Case::new();
    let door = Door::silent();
    let mut init = started(patient(&case, Place::Ordinary, &door));
    let client = door.enter();
    init.signal(15);
    until_waiting(&init, "1 client to leave");
    let health = init.ask(&["health"]);
    assert_eq!(health.status.code(), Some(1));
    let said = stdout(&health);
    assert!(said.contains("mx is draining for") && said.ends_with(": 1 client to leave\n"), "{said}");
    assert_eq!(init.ask(&["health", "--live"]).status.code(), Some(0));
    door.until_knocked();
    assert_eq!(door.knocks(), 1, "whoever asks about a draining role does not connect to it");
    drop(client);
    assert_eq!(init.end(), 0);
}

/// A health check that was under way when the stop came is a client like others, and gives up by itself.
#[test]
fn a_health_check_under_way_keeps_a_role_for_no_longer_than_it_takes() {
    let case = Case::new();
    let door = Door::silent();
    let mut init = started(patient(&case, Place::Ordinary, &door));
    let mut health = init.beside(berth_tests::init().to_str().unwrap());
    let mut health = health.arg("health").stdout(std::process::Stdio::null()).spawn().unwrap();
    door.until_knocked();
    init.signal(15);
    until_waiting(&init, "1 client to leave");
    assert_eq!(init.end(), 0);
    assert_eq!(health.wait().unwrap().code(), Some(1));
}

/// Nobody is waited for who cannot be seen.
#[test]
fn where_connections_cannot_be_counted_term_is_sent_at_once() {
    if !places().contains(&Place::First) {
        return;
    }
    let case = Case::new();
    let door = Door::silent();
    let hide = "mount -t tmpfs none /proc && exec \"$@\"";
    let init = patient(&case, Place::Ordinary, &door).through(&["unshare", "-m", "bash", "-c", hide, "bash"]);
    let mut init = started(init);
    let _client = door.enter();
    assert_eq!(init.stop(), 0);
    assert_eq!(init.logged("connections cannot be counted").len(), 1);
}
