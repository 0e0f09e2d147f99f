//! Bad input by the hundred, at every door: each is answered clearly, nothing ends, and nothing is lost.

use std::io::Write;
use std::process::Stdio;

use berth_tests::{Chance, wait_until};
use serde_json::json;

use crate::service::{ALL, Ran, Service, have, tell};

const TRIALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local/bad_input/try_all.py");

#[test]
fn bad_input_by_the_hundred_is_answered_and_harms_nothing() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up_with(&ALL);
    // Nobody is to be locked out by the logins that fail, so the one who reads is another one.
    let (user, reader, bystander) = (service.user("bob"), service.user("reader"), service.user("bystander"));
    let before = service.all_of(&ALL, "main");
    let seed = Chance::new().seed();
    tell(&format!("bad input (BERTH_TEST_SEED={seed})"));
    let ports: serde_json::Map<_, _> = ["mx", "smtp", "imap", "pop3", "api", "web", "caldav", "carddav"]
        .into_iter()
        .map(|role| (role.to_owned(), service.port(role).into()))
        .collect();
    let plan = json!({
        "ports": ports, "authority": service.authority(), "seed": seed, "most_recipients": 50, "most_bytes": 50 * 1024 * 1024,
        "user": {"address": user.address, "password": user.password},
        "reader": {"address": reader.address, "password": reader.password},
    });
    let mut trials = service.case.command("python3");
    // Its files would leave a cache beside them.
    trials.arg("-B").arg(TRIALS).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut trials = trials.spawn().unwrap();
    writeln!(trials.stdin.take().unwrap(), "{plan}").unwrap();
    let ran = Ran::of(&trials.wait_with_output().unwrap());
    for line in ran.out.lines().filter(|line| !line.starts_with("WRONG")) {
        tell(&format!("  tried {line}"));
    }
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);

    assert_eq!(service.all_of(&ALL, "main"), before, "none of the programs has ended");
    for role in ALL {
        assert_eq!(service.role(role)["restarts"], 0, "{role}");
        let uncaught = service.log(role).into_iter().find(|line| line.to_string().contains("uncaught"));
        assert_eq!(uncaught, None, "{role}");
    }
    // Whoever was not there before is served as ever.
    wait_until("a proof", || {
        let mut prove = service.berth(&["prove", "--user", &bystander.address, "--password-stdin"]);
        let mut prove =
            prove.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        writeln!(prove.stdin.take().unwrap(), "{}", bystander.password).unwrap();
        let ran = Ran::of(&prove.wait_with_output().unwrap());
        assert!(ran.code == Some(0) || !ran.out.contains("FAILED"), "{ran:#?}");
        (ran.code == Some(0)).then_some(())
    });
    service.down();
}
