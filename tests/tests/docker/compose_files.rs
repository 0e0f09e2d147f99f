//! Compose takes the files, in every combination that the manual names.

use berth_render::compose::{OVERLAYS, files};
use berth_tests::{Case, Ran};

use crate::engine::Engine;

/// The files as an installation has them.
pub fn written(case: &Case) {
    for file in files() {
        case.write(file.path, &file.text);
    }
}

/// Each overlay, or none, of those that exclude each other; in the order in which they are given.
fn combinations() -> Vec<Vec<&'static str>> {
    let choices: [&[&str]; 5] = [
        &["build.yaml", "injected.yaml"],
        &["sample.yaml"],
        &["ferretdb.yaml", "stores-elsewhere.yaml"],
        &["no-front.yaml"],
        &["forward-only.yaml"],
    ];
    let mut all = vec![Vec::new()];
    for choice in choices {
        let before = all.clone();
        all.extend(
            choice.iter().flat_map(|file| before.iter().map(move |files| [&files[..], &[*file]].concat())),
        );
    }
    all
}

#[test]
fn compose_accepts_every_combination_of_files_and_misses_no_variable() {
    let Some(engine) = Engine::new() else { return };
    written(&engine.case);
    let all = combinations();
    for (overlay, _) in OVERLAYS {
        assert!(all.iter().any(|files| files.contains(&overlay)), "{overlay} is not tried");
    }
    for overlays in all {
        let files = ["compose.yaml"].into_iter().chain(overlays.iter().copied());
        let paths: Vec<String> =
            files.map(|file| engine.case.path("compose").join(file).display().to_string()).collect();
        let files: Vec<&str> = paths.iter().flat_map(|path| ["--file", path]).collect();
        let words = [&["compose", "--env-file=/dev/null"], &files[..], &["config", "--quiet"]].concat();
        let mut compose = engine.docker(&words);
        compose.env("DOMAIN", "example.test").env("BERTH_IMAGE", "image");
        compose.env("BERTH_INIT_FILE", "/init").env("REDIS_HOST", "redis.example");
        let output = compose.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{overlays:?}: {said}");
    }
}

#[test]
fn what_has_to_be_set_is_named() {
    let Some(engine) = Engine::new() else { return };
    written(&engine.case);
    let path = engine.case.path("compose/compose.yaml").display().to_string();
    let words = ["compose", "--env-file=/dev/null", "--file", &path, "config", "--quiet"];
    // Compose names one, and which of several is chance.
    for (left_out, what, other) in [
        ("DOMAIN", "is the mail domain, to be set in .env", "BERTH_IMAGE"),
        ("BERTH_IMAGE", "is the image of the roles, to be set in .env", "DOMAIN"),
    ] {
        let ran = Ran::of(&engine.docker(&words).env(other, "example.test").output().unwrap());
        assert_ne!(ran.code, Some(0));
        assert!(ran.err.contains(left_out) && ran.err.contains(what), "{}", ran.err);
    }
}
