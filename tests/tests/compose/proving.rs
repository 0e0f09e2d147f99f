//! `berth prove` where the service, or what it is asked by, is broken.

use std::fs::File;
use std::process::Stdio;

use berth_tests::{Process, wait_until};
use nix::libc::{SIGINT, SIGTERM};
use serde_json::{Value, json};

use crate::pretend::{Pretend, SERVICES, container, image};

/// An installation of the sample application, whose accounts can be made.
fn with_accounts() -> Pretend {
    let pretend = Pretend::new();
    let mut sample = image("sha256:1", &["mail:1", "store:1", "front:1"]);
    sample["Config"]["Labels"] = json!({"berth.sample": "yes"});
    pretend.answers("images.json", &json!([sample]));
    pretend.up();
    pretend.runs(&SERVICES.map(|name| container(name, "healthy")));
    pretend
}

/// Nothing was printed, just when the service was broken.
#[test]
fn what_was_found_is_told_though_the_account_cannot_be_removed() {
    let pretend = with_accounts();
    pretend.says("list.fails", "no answer from the store\n");
    let told = "could not be removed, which is left to the next proof: ";
    let ran = pretend.run(&["prove", "--json"]);
    assert_eq!(ran.code, Some(1), "nobody listens there: {ran:#?}");
    let proof: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    assert_eq!(proof["passed"], false, "{proof:#}");
    assert!(ran.err.starts_with("the account canary-") && ran.err.contains(told), "{}", ran.err);
    assert!(ran.err.ends_with("no answer from the store\n"), "{}", ran.err);
    let left = || fs_err::read_dir(pretend.state("proofs")).unwrap().count();
    assert_eq!(left(), 1);

    fs_err::remove_file(pretend.case.path("docker/list.fails")).unwrap();
    let ran = pretend.run(&["prove"]);
    assert!(ran.out.contains("NOT proven"), "{}", ran.out);
    assert!(!ran.err.contains(told), "{}", ran.err);
    assert_eq!(left(), 0, "the next proof removes it");
}

/// It ended with 1, after it had been waited for the application's command twice.
#[test]
fn whoever_wants_an_end_twice_has_it_at_once_and_the_account_is_left_to_the_next_proof() {
    let pretend = with_accounts();
    let adding = pretend.case.path("docker/adding");
    fs_err::remove_file(&adding).unwrap();
    pretend.says("add-waits", "");
    pretend.changes();
    let err = File::create(pretend.case.path("err")).unwrap();
    let mut prove = pretend.berth(&["prove"]).stdout(Stdio::null()).stderr(err).spawn().unwrap();
    wait_until("the account is made", || adding.exists().then_some(()));
    // One of each: two of the same may be delivered as one.
    let berth = Process::of(&prove);
    berth.signal(SIGINT).and_then(|()| berth.signal(SIGTERM)).unwrap();
    fs_err::remove_file(pretend.case.path("docker/add-waits")).unwrap();
    let ended = wait_until("it ends", || prove.try_wait().unwrap());
    let err = pretend.case.read("err");
    assert_eq!(ended.code(), Some(130), "{err}");
    assert!(err.contains(" is left to the next proof, which removes it\n"), "{err}");
    let asked = pretend.changes();
    let words = "docker compose exec --no-TTY sqlite berth-init --settings -- node admin.js user ";
    assert!(matches!(&asked[..], [add] if add.starts_with(&format!("{words}add "))), "{asked:#?}");
    assert_eq!(fs_err::read_dir(pretend.state("proofs")).unwrap().count(), 1);
}
