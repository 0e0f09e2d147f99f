//! An image is looked at before it is started from: one that does not start berth-init would loop, or run without secrets.

use berth_tests::Ran;
use serde_json::{Value, json};

use crate::pretend::{Pretend, image};

const UP: [&str; 4] = ["up", "--engine", "compose", "--no-prove"];

/// An image as somebody else has published it.
fn published(name: &str) -> Value {
    json!({"Id": "sha256:9", "RepoTags": [name], "Config": {"Entrypoint": ["docker-entrypoint.sh"], "Labels": null}})
}

/// The role imap, or all roles, from this image in what Compose makes of the files.
fn from(pretend: &Pretend, name: &str, roles: &[&str]) -> Value {
    let mut config = pretend.config();
    for role in roles {
        config["services"][role]["image"] = json!(name);
    }
    config
}

/// Refused for the image alone, with what can be done.
fn refused(ran: &Ran, name: &str, hint: &str) {
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    let expected = "REFUSED  image ";
    assert!(ran.err.contains(expected), "{}", ran.err);
    let expected = format!("{name} does not start berth-init: its entrypoint is docker-entrypoint.sh\n");
    assert!(ran.err.contains(&expected), "{}", ran.err);
    assert!(ran.err.contains(hint), "{}", ran.err);
    assert!(ran.err.contains("for the reason above"), "{}", ran.err);
}

#[test]
fn one_without_berth_init_is_refused_before_anything_is_made() {
    let pretend = Pretend::new();
    let name = "ghcr.io/them/mail:v1";
    pretend.answers("images.json", &json!([published(name)]));
    pretend.answers("config.json", &from(&pretend, name, &["sqlite", "imap"]));
    let words = [&UP[..], &["--image", name, "--overlay", "no-front,ferretdb"]].concat();
    let hint = "hint: is it the right one? Make one from it: berth image derive --from ghcr.io/them/mail:v1 --tag berth/mail:v1, \
                then --image berth/mail:v1; or --overlay injected,ferretdb,no-front --init PATH\n";
    let ran = pretend.run(&words);
    refused(&ran, name, hint);
    assert_eq!(ran.out, "");
    assert!(!pretend.state("").exists());
    assert_eq!(pretend.changes(), Vec::<String>::new());
    let dry = pretend.run(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, Some(69), "{dry:#?}");

    // By either it says that it is ours; and what the files make the entrypoint counts, not that of the image.
    let mut labelled = published(name);
    labelled["Config"]["Labels"] = json!({"berth.roles": "imap"});
    pretend.answers("images.json", &json!([labelled]));
    pretend.done(&[&words[..], &["--dry-run"]].concat());
    pretend.answers("images.json", &json!([published(name)]));
    let mut injected = from(&pretend, name, &["sqlite", "imap"]);
    for role in ["sqlite", "imap"] {
        injected["services"][role]["entrypoint"] = json!(["/usr/local/bin/berth-init"]);
    }
    pretend.answers("config.json", &injected);
    pretend.done(&[&words[..], &["--dry-run"]].concat());
}

#[test]
fn one_that_is_fetched_is_looked_at_before_it_is_started() {
    let pretend = Pretend::new();
    pretend.answers("images.json", &json!([]));
    pretend.answers("images-pulled.json", &json!([published("redis:7")]));
    pretend.answers("config.json", &from(&pretend, "redis:7", &["sqlite", "imap"]));
    let ran = pretend.run(&[&UP[..], &["--image", "redis:7"]].concat());
    refused(&ran, "redis:7", "berth image derive --from redis:7 --tag berth/redis:7");
    assert_eq!(pretend.changes(), ["docker pull redis:7"]);
    assert!(!pretend.state("compose").exists(), "nothing is written of it");
}

#[test]
fn one_for_a_role_alone_is_looked_at_too() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let env = pretend.case.read("state/compose/.env");
    let ours = image("sha256:1", &["mail:1", "store:1", "front:1"]);
    pretend.answers("config.json", &from(&pretend, "redis:7", &["imap"]));
    let words = ["up", "--only", "imap", "--image", "redis:7", "--no-prove"];
    pretend.answers("images.json", &json!([ours, published("redis:7")]));
    refused(&pretend.run(&words), "redis:7", "berth image derive --from redis:7");
    assert_eq!(pretend.changes(), Vec::<String>::new());

    pretend.answers("images.json", &json!([ours]));
    pretend.answers("images-pulled.json", &json!([ours, published("redis:7")]));
    refused(&pretend.run(&words), "redis:7", "berth image derive --from redis:7");
    assert_eq!(pretend.changes(), ["docker pull redis:7"]);
    assert_eq!(pretend.case.read("state/compose/.env"), env);
}

/// A mistyped name was told as too little memory: what the sample takes was not known to be enough.
#[test]
fn one_that_is_not_there_is_told_first_and_no_memory_is_counted_for_it() {
    let pretend = Pretend::new();
    pretend.answers("images.json", &json!([image("sha256:1", &["mail:1"])]));
    let mut config = from(&pretend, "nothere:dev", &["sqlite", "imap"]);
    // Less than the application's imap was seen to take, and more than the sample's.
    config["services"]["imap"]["mem_limit"] = json!("9000000000000");
    pretend.answers("config.json", &config);
    let mut info: Value = serde_json::from_str(&pretend.case.read("docker/info.json")).unwrap();
    info["MemTotal"] = json!(800_000_000);
    pretend.answers("info.json", &info);
    pretend.says("pull.fails", "Error response from daemon: pull access denied for nothere\n");
    let ran = pretend.run(&[&UP[..], &["--image", "nothere:dev"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let first = ran.err.lines().next().unwrap();
    assert!(
        first.starts_with("  warning  image ") && first.contains("nothere:dev is not here"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("REFUSED"), "{}", ran.err);
    let untouched = format!(
        "no container was made; the state folder {} was, and the next up goes on with it\n\
         error: docker pull nothere:dev failed",
        pretend.state("").display()
    );
    assert!(ran.err.contains(&untouched), "it said that nothing was changed: {}", ran.err);
    assert!(ran.err.contains("hint: is the name right"), "{}", ran.err);
}

#[test]
fn a_name_that_means_another_image_than_before_is_refused_until_it_is_given_again() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.changes();
    let meant = |id: &str| {
        let told = pretend.run(&["status"]).out;
        assert!(told.contains(&format!("\n  mail:1 is {id}, unsigned\n")), "{told}");
    };
    meant("sha256:1");
    pretend.answers("images.json", &json!([image("sha256:2", &["mail:1", "store:1", "front:1"])]));
    let ran = pretend.run(&["up", "--no-prove"]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    let said = "mail:1 is another image than when it was first used: sha256:2, and it was sha256:1\n";
    assert!(ran.err.contains(&format!("REFUSED  image    {said}")), "{}", ran.err);
    assert!(ran.err.contains("hint: did you change it? --image mail:1 takes it\n"), "{}", ran.err);
    assert_eq!(pretend.changes(), Vec::<String>::new());
    meant("sha256:1");

    let ran = pretend.done(&["up", "--image", "mail:1", "--no-prove"]);
    assert!(ran.err.contains(&format!("warning  image  {said}")), "{}", ran.err);
    meant("sha256:2");
    let told: Value = serde_json::from_str(&pretend.run(&["status", "--json"]).out).unwrap();
    assert_eq!(told["images"], json!({"mail:1": {"id": "sha256:2", "signed_by": null, "version": null}}));
    pretend.done(&["up", "--no-prove"]);
}

#[test]
fn one_that_has_the_name_of_a_release_and_is_not_verified_is_refused() {
    let pretend = Pretend::new();
    let release = json!({"image": "127.0.0.1:1/them/mail", "key": "-----BEGIN PUBLIC KEY-----"});
    let release = pretend.case.write("release.json", &release.to_string());
    let name = "127.0.0.1:1/them/mail:v1.0.0";
    let mut config = from(&pretend, name, &["sqlite", "imap"]);
    config["services"]["front"]["image"] = json!("front:1");
    pretend.answers("config.json", &config);
    let mut built = image("sha256:1", &[name]);
    let up = |built: &Value| {
        pretend.answers("images.json", &json!([built]));
        let mut up = pretend.berth(&[&UP[..], &["--image", name, "--dry-run"]].concat());
        let ran = Ran::run(up.env("BERTH_RELEASE", &release));
        assert_eq!(ran.code, Some(69), "{ran:#?}");
        ran.err
    };
    let said = up(&built);
    let expected = "has the name of a release, and was built on this host\n";
    assert!(said.contains("REFUSED  signature ") && said.contains(expected), "{said}");
    // As what was pulled; nobody is there to be asked who signed it.
    built["RepoDigests"] = json!([format!("127.0.0.1:1/them/mail@sha256:{}", "0".repeat(64))]);
    let said = up(&built);
    let expected = "has the name of a release, and is not verified: cannot get ";
    assert!(said.contains("REFUSED  signature ") && said.contains(expected), "{said}");
}
