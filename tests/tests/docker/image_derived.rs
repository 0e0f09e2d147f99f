//! `berth image derive`: what operators do on their own server.

use berth_tests::{Ran, berth, init, wait_until_within};
use serde_json::json;

use crate::engine::{Engine, PATIENCE, base};
use crate::image::{PUBLISHED, derive, derive_with};

#[test]
fn the_published_image_is_changed_in_nothing_but_what_is_added() {
    let Some(engine) = Engine::new() else { return };
    let tag = engine.name("derived");
    let made = derive(&engine, &["--from", PUBLISHED, "--tag", &tag]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    let [published, derived] = [PUBLISHED, &tag].map(|image| engine.inspect(image));
    let layers = |image: &serde_json::Value| image["RootFS"]["Layers"].as_array().unwrap().clone();
    assert_eq!(layers(&derived)[..layers(&published).len()], layers(&published)[..]);
    assert_eq!(layers(&derived).len(), layers(&published).len() + 2);
    for part in ["User", "WorkingDir", "Env"] {
        assert_eq!(derived["Config"][part], published["Config"][part], "{part}");
    }
    let labels = &derived["Config"]["Labels"];
    assert_eq!(labels["berth.standin"], published["Config"]["Labels"]["berth.standin"]);
    assert_eq!(labels["org.opencontainers.image.base.name"], PUBLISHED);
    assert_eq!(json!(published["Id"]), labels["org.opencontainers.image.base.digest"]);
}

#[test]
fn the_licences_that_are_published_beside_berth_init_are_in_the_image_and_missing_ones_are_told() {
    let Some(engine) = Engine::new() else { return };
    let program = engine.case.path("berth-init-linux-any");
    fs_err::copy(init(), &program).unwrap();
    let tag = engine.name("derived");
    let derived = || {
        let ran = derive_with(&engine, &program, &["--from", PUBLISHED, "--tag", &tag]);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran.err
    };
    let missing = format!("{} is not there", engine.case.path("berth-init-linux-any.licenses").display());
    assert!(derived().contains(&missing));
    engine.case.write("berth-init-linux-any.licenses", "tokio 1.0.0: MIT\n");
    assert!(!derived().contains(&missing));
    let shown = ["run", "--rm", "--network=none", &tag, "--", "cat", "/usr/share/licenses/berth/crates"];
    assert_eq!(engine.done(&shown), "tokio 1.0.0: MIT");
}

#[test]
fn a_person_is_told_what_was_found_and_which_folder_cannot_be_written() {
    let Some(engine) = Engine::new() else { return };
    let made = derive(&engine, &["--from", PUBLISHED, "--tag", &engine.name("derived")]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    for said in [
        "has in /app: web, api, smtp, imap, pop3, mx, caldav, carddav, sqlite, smtp-bree, bree, sqlite-bree\n",
        "it runs /usr/local/bin/node as user published (999)\n",
        "note: user published (999) may not write into /mnt (of 0:0, mode 0755)",
        "user published (999) may write into /mnt/sqlite_storage\n",
    ] {
        assert!(made.err.contains(said), "{said}: {}", made.err);
    }
    // The container that was looked into is gone, once those of other tests are.
    wait_until_within(PATIENCE, "no container is left of it", || {
        let of = format!("ancestor={PUBLISHED}");
        let left = engine.done(&["ps", "--all", "--quiet", "--filter", &of, "--filter", "status=created"]);
        left.is_empty().then_some(())
    });
}

#[test]
fn a_dry_run_shows_the_command_and_makes_nothing() {
    let Some(engine) = Engine::new() else { return };
    let tag = engine.name("derived");
    let mut command = engine.program(berth());
    command.args(["image", "derive", "--from", PUBLISHED, "--tag", &tag, "--dry-run", "--init"]).arg(init());
    let ran = Ran::run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.starts_with("docker build --provenance=false --platform linux/"), "{}", ran.out);
    assert!(ran.out.contains(&format!("--tag {tag} --build-arg FROM={PUBLISHED} ")), "{}", ran.out);
    assert!(ran.out.contains("ENTRYPOINT [\"/usr/local/bin/berth-init\"]"), "{}", ran.out);
    assert_eq!(engine.run(&["image", "inspect", &tag]).code, Some(1));
}

#[test]
fn what_cannot_become_the_shared_image_is_refused_with_the_reason() {
    let Some(engine) = Engine::new() else { return };
    let debian = base("debian");
    let other = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    let script = engine.case.write("script", "#!/bin/sh\n");
    let script = script.to_str().unwrap();
    for (words, code, said) in [
        (&["--from", &debian][..], 127, "has the entrypoint of no role in /app"),
        (&["--from", PUBLISHED, "--platform", other], 64, "and the image is to be for"),
        (&["--from", "berth-test/none:there"], 1, "`docker pull"),
    ] {
        let ran = derive(&engine, words);
        assert_eq!(ran.code, Some(code), "{words:?}: {ran:#?}");
        assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
    }
    let mut command = engine.program(berth());
    let ran = Ran::run(command.args(["image", "derive", "--from", PUBLISHED, "--init", script]));
    assert_eq!(ran.code, Some(126), "{ran:#?}");
    assert!(ran.err.contains("it is no program for Linux"), "{}", ran.err);
}
