//! `berth prove` where the service, or what it is asked by, is broken.

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
