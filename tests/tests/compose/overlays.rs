//! Overlays are written down with what they need, stay until others are asked for, and go again. The commands are those
//! of docs/guide/overlays.md.

use std::path::Path;

use berth_tests::{Ran, root};

use crate::pretend::{Pretend, UP};

/// A line of `.env` in the project's folder.
fn is_set(pretend: &Pretend, line: &str) {
    let env = pretend.case.read("state/compose/.env");
    assert!(env.lines().any(|other| other == line), "{line}: {env}");
}

#[test]
fn an_overlay_stays_until_others_are_asked_for_and_all_are_there_beside_it() {
    let pretend = Pretend::new();
    pretend.done(&[&UP[..], &["--overlay", "forward-only,ferretdb"]].concat());
    is_set(&pretend, "COMPOSE_FILE=compose.yaml:ferretdb.yaml:forward-only.yaml");
    let postgresql = pretend.case.read("state/compose/secrets/FERRETDB_POSTGRESQL_URL");
    assert!(postgresql.starts_with("postgres://berth:"), "{postgresql}");
    for (file, _) in berth_render::compose::OVERLAYS {
        assert!(pretend.state("compose").join(file).exists(), "{file}");
    }
    pretend.done(&["up", "--no-prove"]);
    is_set(&pretend, "COMPOSE_FILE=compose.yaml:ferretdb.yaml:forward-only.yaml");
    pretend.done(&["up", "--no-prove", "--overlay", "no-front", "--change-stores"]);
    is_set(&pretend, "COMPOSE_FILE=compose.yaml:no-front.yaml");
    pretend.done(&["up", "--no-prove", "--overlay", "none"]);
    is_set(&pretend, "COMPOSE_FILE=compose.yaml");
}

/// A second `up` took the berth-init beside berth again, and did not hear --app.
#[test]
fn what_is_injected_or_built_stays_what_was_named_until_something_else_is() {
    let pretend = Pretend::new();
    let (first, second) = (pretend.case.path("first"), pretend.case.path("second"));
    // elf(5): 64 bits, the lowest byte first, for x86-64; without a segment that would name a loader.
    let mut program = b"\x7fELF\x02\x01".to_vec();
    program.resize(64, 0);
    program[18] = 62;
    for place in [&first, &second] {
        fs_err::write(place, &program).unwrap();
    }
    let named = |path: &Path| format!("BERTH_INIT_FILE={}", path.canonicalize().unwrap().display());
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    pretend.done(&[&UP[..], &["--overlay", "injected", "--init", &path(&first)]].concat());
    is_set(&pretend, &named(&first));
    pretend.done(&["up", "--no-prove"]);
    is_set(&pretend, &named(&first));
    pretend.done(&["up", "--no-prove", "--init", &path(&second)]);
    is_set(&pretend, &named(&second));

    let words = ["up", "--no-prove", "--overlay", "build"];
    let ran = pretend.run(&words);
    assert_eq!(ran.code, Some(64), "outside of a clone: {ran:#?}");
    Ran::done(pretend.berth(&words).current_dir(root()));
    let clone = root().canonicalize().unwrap();
    is_set(&pretend, &format!("BERTH_REPOSITORY={}", clone.display()));
    is_set(&pretend, &format!("BERTH_SOURCE={}/docker/app", clone.display()));
    pretend.done(&["up", "--no-prove", "--app", "/srv/mail"]);
    is_set(&pretend, "BERTH_SOURCE=/srv/mail");
}

#[test]
fn who_has_no_static_init_to_inject_is_told_what_makes_one() {
    let pretend = Pretend::new();
    let script = pretend.case.write("script", "#!/bin/sh\n");
    let other = pretend.case.path("nothing");
    for (path, code, says) in [
        (&script, 126, "cannot be put into an image: it is no program for Linux"),
        (&other, 127, "error: berth-init is not at "),
    ] {
        let init = ["--overlay", "injected", "--init", path.to_str().unwrap()];
        let derive = ["image", "derive", "--from", "mail:1", "--init", path.to_str().unwrap()];
        for words in [[&UP[..], &init].concat(), derive.to_vec()] {
            let ran = pretend.run(&words);
            assert_eq!(ran.code, Some(code), "{words:?}: {ran:#?}");
            let hint = "hint: name a static one: --init PATH; `cargo xtask build-image --programs` makes it, \
                        target/image/berth/linux-amd64/berth-init or linux-arm64\n";
            assert!(ran.err.contains(says) && ran.err.contains(hint), "{words:?}: {}", ran.err);
        }
    }
}

#[test]
fn stores_elsewhere_are_opened_by_what_was_written_down_before_the_first_up() {
    let pretend = Pretend::new();
    let up = [&UP[..], &["--overlay", "stores-elsewhere"]].concat();
    let ran = pretend.run(&up);
    assert_eq!(ran.code, Some(78), "{ran:#?}");
    assert!(ran.err.contains("EMAILS_MONGO_URI: ") && ran.err.contains("settings.env"), "{}", ran.err);
    assert!(!pretend.state("").exists());

    let uri = |database: &str| format!("mongodb://u:p@db.example.test:27017/{database}?authSource=admin");
    let uris = [("", "a"), ("EMAILS_", "b"), ("LOGS_", "c"), ("JOURNALS_", "d")];
    let lines = uris.map(|(of, database)| format!("{of}MONGO_URI={}\n", uri(database))).concat();
    pretend.case.write("state/settings.env", &(lines + "REDIS_PASSWORD=theirs\n"));
    pretend.case.write("state/compose/.env", "REDIS_HOST=redis.example.test\n");
    pretend.done(&up);
    is_set(&pretend, "REDIS_HOST=redis.example.test");
    let secret = |name: &str| pretend.case.read(format!("state/compose/secrets/{name}"));
    assert_eq!(secret("EMAILS_MONGO_URI"), uri("b"));
    assert_eq!(secret("REDIS_PASSWORD"), "theirs");
}
