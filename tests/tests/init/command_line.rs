//! What is printed, to the letter: the files in `golden`. After a wanted change: `SNAPSHOTS=overwrite`.

use std::process::Output;

use berth_tests::{Case, init};
use serde_json::Value;
use snapbox::{Data, assert_data_eq};

use crate::listening::nobody;
use crate::running::{Init, Place, places, stderr, stdout, unread};

fn run(case: &Case, words: &[&str]) -> Output {
    Init::new(case, Place::Ordinary, words).output()
}

fn golden(name: &str) -> Data {
    Data::read_from(
        std::path::Path::new(&format!("{}/tests/init/golden/{name}", env!("CARGO_MANIFEST_DIR"))),
        None,
    )
}

#[test]
fn without_anything_the_roles_are_listed() {
    for place in places() {
        let case = Case::new();
        let output = Init::new(&case, place, &[]).output();
        assert_eq!(output.status.code(), Some(0));
        assert_data_eq!(stdout(&output), golden("roles.stdout"));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn roles_lists_them_too_and_as_json_with_all_that_is_known() {
    let case = Case::new();
    assert_data_eq!(stdout(&run(&case, &["roles"])), golden("roles.stdout"));
    let roles: Value = serde_json::from_slice(&run(&case, &["roles", "--json"]).stdout).unwrap();
    let names: Vec<_> = roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    let listed = stdout(&run(&case, &[]));
    assert_eq!(names.len(), 12);
    for name in names {
        assert!(
            listed.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "{name} is in the list"
        );
    }
}

#[test]
fn help_fits_a_screen_and_shows_examples() {
    let case = Case::new();
    let output = run(&case, &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert_data_eq!(stdout(&output), golden("help.stdout"));
    assert!(stdout(&output).lines().count() <= 40);
    assert!(stdout(&output).lines().all(|line| line.chars().count() <= 110));
}

#[test]
fn the_version_is_told() {
    let case = Case::new();
    let output = run(&case, &["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), format!("berth-init {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_mistyped_role_gets_the_nearest_one() {
    for place in places() {
        let case = Case::new();
        let output = Init::new(&case, place, &["imapp"]).output();
        assert_eq!(output.status.code(), Some(64));
        assert_eq!(stdout(&output), "");
        assert_data_eq!(stderr(&output), golden("imapp.stderr"));
    }
}

#[test]
fn a_word_that_is_near_no_role_gets_the_list() {
    let case = Case::new();
    let output = run(&case, &["gopher"]);
    assert_eq!(output.status.code(), Some(64));
    assert_data_eq!(stderr(&output), golden("gopher.stderr"));
}

#[test]
fn a_role_takes_no_arguments() {
    let case = Case::new();
    let output = run(&case, &["imap", "now"]);
    assert_eq!(output.status.code(), Some(64));
    assert_data_eq!(stderr(&output), golden("imap-now.stderr"));
}

#[test]
fn a_wrong_command_line_is_64() {
    let case = Case::new();
    let wrong: [&[&str]; 15] = [
        &["--"],
        &["--stop=role", "--"],
        &["--no-such-flag"],
        &["--stop=sometimes", "--", "true"],
        &["--stop=role", "--grace", "soon", "--", "true"],
        &["--stop=role", "--grace", "-1", "--", "true"],
        &["health", "--no-such-flag"],
        &["restart", "now"],
        &["roles", "imap"],
        &["imap", "--", "true"],
        &["imap", "--grace", "60"],
        &["--drain", "3", "--", "true"],
        &["--grace", "3"],
        &["--settings"],
        &["--stop=role"],
    ];
    for words in wrong {
        let output = run(&case, words);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

/// What belongs to the program is not taken for ours.
#[test]
fn a_programs_own_flags_are_its_own() {
    let case = Case::new();
    let output = run(&case, &["--", "echo", "--help", "--", "health", "-x", "imap"]);
    assert_eq!(stdout(&output), "--help -- health -x imap\n");
    for name in ["-h", "-s", "--version", "--"] {
        std::os::unix::fs::symlink("/bin/echo", case.path(name)).unwrap();
        let folder = case.folder().to_str().unwrap();
        let output = Init::new(&case, Place::Ordinary, &["--", name, "started"]).set("PATH", folder).output();
        assert_eq!(stdout(&output), "started\n", "{name}");
    }
}

#[test]
fn all_missing_settings_are_named_at_once() {
    for place in places() {
        let case = Case::new();
        case.write("app/.env.schema", "HERE=\nAPI_SECRETS=\nSRS_SECRET=\nEMPTY=\nTXT_ENCRYPTION_KEY=\n");
        case.write("app/.env", "EMPTY=\n");
        let init = Init::role(&case, place, "mx", "ready catch").set("HERE", "1");
        let output = init.output();
        assert_eq!(output.status.code(), Some(78));
        let said = stderr(&output).replace(case.folder().to_str().unwrap(), "[CASE]");
        assert_data_eq!(said, golden("missing.stderr"));
        assert_eq!(stdout(&output), "", "it was not started");
    }
}

#[test]
fn a_port_that_is_none_is_a_wrong_setting() {
    let case = Case::new();
    for port in ["0", "65536", "smtp", "-1"] {
        let output = Init::role(&case, Place::Ordinary, "mx", "ready catch").set("MX_PORT", port).output();
        assert_eq!(output.status.code(), Some(78));
        assert!(stderr(&output).contains("MX_PORT") && stderr(&output).contains(port), "{}", stderr(&output));
    }
}

#[test]
fn a_wrong_setting_of_our_own_is_78() {
    let case = Case::new();
    for (key, value) in [
        ("BERTH_GRACE", "soon"),
        ("BERTH_GRACE", "-1"),
        ("BERTH_GRACE", "nan"),
        // What a Duration just holds, so that the sum with any other overflows.
        ("BERTH_DRAIN", "10000000000000000000"),
        ("BERTH_RESTART", "sometimes"),
    ] {
        let output = Init::role(&case, Place::Ordinary, "mx", "ready catch").set(key, value).output();
        assert_eq!(output.status.code(), Some(78), "{key}={value}");
        let said = stderr(&output).to_lowercase();
        assert!(said.contains("berth_") && said.contains(value), "{said}");
        let meant = if key == "BERTH_RESTART" { "on-failure" } else { "is no number of seconds" };
        assert!(said.contains(meant), "{said}");
    }
}

/// Compose's `${BERTH_GRACE:-}` gives an empty value where none was set; it ended with 78.
#[test]
fn an_empty_setting_of_our_own_counts_as_not_given() {
    let case = Case::new();
    let role = Init::role(&case, Place::Ordinary, "mx", "ready exit=6");
    let output = role.set("BERTH_GRACE", "").set("BERTH_RESTART", "").output();
    assert_eq!(output.status.code(), Some(6));
}

#[test]
fn called_by_a_roles_name_it_is_that_role() {
    let case = Case::new();
    std::os::unix::fs::symlink(init(), case.path("mx")).unwrap();
    let role = Init::role(&case, Place::Ordinary, "mx", "ready exit=6");
    let mut command = case.command(case.path("mx"));
    let variables = role.command();
    let variables = variables.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let output = crate::running::run(command.envs(variables));
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
}

/// Beside a running role it is that one which is meant; clap's word for a missing argument named no role.
#[test]
fn check_and_explain_take_the_role_that_runs_here_when_none_is_named() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_ready();
        let about = |words: &[&str]| {
            let mut command = init.beside(berth_tests::init().to_str().unwrap());
            stdout(&crate::running::run(command.args(words).env("BERTH_APP_DIR", case.path("app"))))
        };
        assert!(about(&["explain"]).starts_with("mx: "), "{place:?}");
        assert!(about(&["check"]).starts_with("The role mx "), "{place:?}");
        assert!(about(&["explain", "imap"]).starts_with("imap: ") || about(&["explain", "imap"]).is_empty());
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn check_and_explain_name_the_roles_when_nobody_says_which_is_meant() {
    let case = Case::new();
    for words in [&["check"][..], &["check", "--json"], &["explain"]] {
        let output = run(&case, words);
        assert_eq!((output.status.code(), stdout(&output)), (Some(64), String::new()));
        let said = stderr(&output).replace(case.folder().to_str().unwrap(), "[CASE]");
        assert_data_eq!(said, golden("which-role.stderr"));
    }
    let mut program = Init::new(&case, Place::Ordinary, &["--", "sleep", "60"]).start();
    let output = program.ask(&["explain"]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    assert!(stderr(&output).contains("what runs here is none"), "{}", stderr(&output));
    program.stop();
}

#[test]
fn by_the_link_of_a_role_that_role_is_checked() {
    let case = Case::new();
    std::os::unix::fs::symlink(init(), case.path("mx")).unwrap();
    let role = Init::role(&case, Place::Ordinary, "mx", "ready exit=6");
    let command = role.command();
    let variables = command.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let output = crate::running::run(case.command(case.path("mx")).arg("check").envs(variables));
    assert!(stdout(&output).starts_with("The role mx "), "{}", stderr(&output));
}

/// It printed the list of roles with 0, so that a container of a mistyped link ended as if all were well.
#[test]
fn called_by_a_name_that_is_no_role_it_corrects_the_slip_unless_words_say_what_is_wanted() {
    let case = Case::new();
    let called = |name: &str, words: &[&str]| {
        std::os::unix::fs::symlink(init(), case.path(name)).unwrap();
        crate::running::run(case.command(case.path(name)).args(words))
    };
    let output = called("imapp", &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(64), String::new()));
    assert_data_eq!(stderr(&output), golden("imapp.stderr"));
    let output = called("tini", &["--", "echo", "it runs"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "it runs\n".to_owned()));
    let output = called("berth-init-2", &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_data_eq!(stdout(&output), golden("roles.stdout"));
}

#[test]
fn without_an_init_nobody_can_be_asked() {
    let case = Case::new();
    for words in [&["status"][..], &["status", "--json"], &["restart"]] {
        let output = run(&case, words);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        let said = stderr(&output).replace(case.folder().to_str().unwrap(), "[CASE]");
        assert_data_eq!(said, golden("nobody.stderr"));
    }
}

#[test]
fn what_a_role_answers_is_as_it_was_written_down() {
    let case = Case::new();
    let witness = "ready on=15:0 catch";
    let mut init = Init::role(&case, Place::Ordinary, "smtp-bree", witness).start();
    init.until_ready();
    for (name, words) in [
        ("status", &["status"][..]),
        ("healthy", &["health"]),
        ("healthy-json", &["health", "--json"]),
        ("live", &["health", "--live"]),
        ("restart", &["restart"]),
    ] {
        let output = init.ask(words);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{name}");
        assert_data_eq!(stdout(&output), golden(&format!("{name}.stdout")));
    }
    init.until_said_times("main catching", 2);
    assert_eq!(init.stop(), 0);

    let case = Case::new();
    // Nobody listens where it is asked.
    let mut init = Init::role(&case, Place::Ordinary, "mx", witness).set("MX_PORT", nobody()).start();
    init.until_ready();
    for (name, words) in [("unhealthy", &["health"][..]), ("unhealthy-json", &["health", "--json"])] {
        let output = init.ask(words);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""), "{name}");
        assert_data_eq!(stdout(&output), golden(&format!("{name}.stdout")));
    }
    assert_eq!(init.stop(), 0);
}

/// A list that is piped into `head` ends early, and that is no error worth a trace. The running init's answers were printed
/// by other means, and a health probe that nobody read ended with 101.
#[test]
fn a_reader_who_leaves_early_gets_no_panic() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    for words in [
        &["roles", "--json"][..],
        &["status"],
        &["status", "--json"],
        &["health"],
        &["health", "--live"],
        &["restart"],
    ] {
        let writer = unread();
        let mut command = init.beside(berth_tests::init().to_str().unwrap());
        let output =
            command.args(words).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        assert!(!stderr(&output).contains("panicked"), "{words:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{words:?}");
    }
    init.until_said_times("main catching", 2);
    assert_eq!(init.stop(), 0);
}
