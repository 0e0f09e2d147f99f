//! What an installation keeps is not taken for another's when a file of it is emptied or written anew.

use serde_json::json;

use crate::pretend::{Pretend, UP, image};

/// Secrets were made anew without a word, which opened nothing of what was stored.
#[test]
fn secrets_that_are_gone_are_not_made_anew() {
    let pretend = Pretend::new();
    pretend.up();
    pretend.done(&["down"]);
    let kept = pretend.case.read("state/settings.env");
    let key = pretend.case.read("state/compose/secrets/HELPER_ENCRYPTION_KEY");
    pretend.changes();
    for (text, lost) in [
        ("REDIS_PASSWORD=mine\n".to_owned(), "DOMAIN and HELPER_ENCRYPTION_KEY"),
        (kept.replace("HELPER_ENCRYPTION_KEY=", "# HELPER_ENCRYPTION_KEY="), "HELPER_ENCRYPTION_KEY"),
    ] {
        pretend.case.write("state/settings.env", &text);
        let ran = pretend.run(&["up", "--no-prove"]);
        assert_eq!(ran.code, Some(78), "{ran:#?}");
        assert!(ran.err.contains(&format!("state/settings.env has lost {lost}\n")), "{}", ran.err);
        assert!(ran.err.contains("put the file back from a copy"), "{}", ran.err);
        assert_eq!(pretend.case.read("state/settings.env"), text);
        assert_eq!(pretend.case.read("state/compose/secrets/HELPER_ENCRYPTION_KEY"), key);
    }
    assert_eq!(pretend.changes(), [] as [&str; 0]);
    pretend.case.write("state/settings.env", &kept);
    pretend.done(&["up", "--no-prove"]);
}

/// A quote was a part of the password, which then opened nothing.
#[test]
fn a_line_beside_the_secrets_that_means_something_else_than_it_seems_is_told_and_comments_stay() {
    let pretend = Pretend::new();
    for (line, says) in [
        ("MONGO_URI=\"mongodb://a\"", "has its value in quotes"),
        ("MONGO_URI = mongodb://a", "has no name of letters, digits and _ before the ="),
        ("MONGO_URI= mongodb://a", "has blanks around its value"),
        ("MONGO_URI", "is no NAME=value"),
    ] {
        pretend.case.write("state/settings.env", &format!("# mine\n\n{line}\n"));
        let ran = pretend.run(&UP);
        assert_eq!(ran.code, Some(78), "{ran:#?}");
        let told = format!("line 3 of {} {says}\n", pretend.state("settings.env").display());
        assert!(ran.err.contains(&told), "{}", ran.err);
    }
    pretend.case.write("state/settings.env", "# mine\nMONGO_URI=mongodb://a");
    pretend.up();
    assert!(pretend.case.read("state/settings.env").starts_with("# mine\nMONGO_URI=mongodb://a\n"));
}

/// Without its name in the file, the first installation of the host was meant: with `--volumes` its data went.
#[test]
fn a_project_that_its_file_does_not_name_any_more_is_not_taken_for_another() {
    let pretend = Pretend::new();
    pretend.done(&[&UP[..], &["--project", "mine"]].concat());
    let kept = pretend.case.read("state/compose/.env");
    pretend.changes();
    let lost = "has lost what this installation, mine, is made of";
    for (env, says) in [
        ("BERTH_IMAGE=mail:1\n".to_owned(), lost),
        (kept.replace("COMPOSE_FILE=", "# COMPOSE_FILE="), lost),
        (
            kept.replace("COMPOSE_PROJECT_NAME=mine", "COMPOSE_PROJECT_NAME=berth"),
            "is of the project berth, and this installation is mine",
        ),
    ] {
        pretend.case.write("state/compose/.env", &env);
        for words in
            [&["down"][..], &["down", "--volumes", "--yes"], &["up", "--no-prove"], &["status"], &["logs"]]
        {
            let ran = pretend.run(words);
            assert_eq!(ran.code, Some(78), "{words:?}: {ran:#?}");
            assert!(ran.err.contains(says), "{words:?}: {}", ran.err);
            assert!(ran.err.contains("COMPOSE_PROJECT_NAME=mine"), "{words:?}: {}", ran.err);
        }
        assert_eq!(pretend.case.read("state/compose/.env"), env);
    }
    assert_eq!(pretend.changes(), [] as [&str; 0]);
    pretend.case.write("state/compose/.env", &kept);
    pretend.done(&["down", "--volumes", "--yes"]);
}

#[test]
fn what_another_up_has_changed_meanwhile_is_not_undone() {
    let pretend = Pretend::new();
    pretend.up();
    let other = pretend.case.read("state/compose/.env") + "BERTH_MEMORY_IMAP=3g\n";
    pretend.changes();
    pretend.says("meanwhile.env", &other);
    let ran = pretend.run(&["up", "--no-prove"]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("another berth has changed this installation meanwhile\n"), "{}", ran.err);
    assert_eq!(pretend.case.read("state/compose/.env"), other);
    assert_eq!(pretend.changes(), [] as [&str; 0]);
    pretend.done(&["up", "--no-prove"]);
    assert!(pretend.case.read("state/compose/.env").contains("\nBERTH_MEMORY_IMAP=3g\n"));
}

/// The next one without the flag took its images for unsigned ones.
#[test]
fn who_signs_releases_stays_who_it_was() {
    let pretend = Pretend::new();
    let release = r#"{"image": "127.0.0.1:1/them/mail", "key": "-----BEGIN PUBLIC KEY-----"}"#;
    let release = pretend.case.write("them.json", release);
    pretend.done(&[&UP[..], &["--release", release.to_str().unwrap()]].concat());
    let name = "127.0.0.1:1/them/mail:1";
    pretend.says("config.json", &pretend.config().to_string().replace("mail:1", name));
    pretend.answers("images.json", &json!([image("sha256:2", &[name])]));
    let refused = format!("REFUSED  signature  {name} has the name of a release");
    let ran = pretend.run(&["up", "--image", name, "--no-prove"]);
    assert_eq!((ran.code, ran.err.contains(&refused)), (Some(69), true), "{ran:#?}");
    fs_err::remove_file(pretend.state("release.json")).unwrap();
    let ran = pretend.run(&["up", "--image", name, "--no-prove", "--dry-run"]);
    assert!(!ran.err.contains("signature"), "{}", ran.err);
}
