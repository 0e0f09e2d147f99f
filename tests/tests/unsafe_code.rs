//! Every place with unsafe code, counted. The compiler denies it where no `#[expect(unsafe_code, reason = …)]` stands, clippy wants a
//! `// SAFETY:` comment; what both cannot know is held here: how much there is, and which test would notice that it is wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use berth_tests::{root, rust_files};
use fs_err as fs;

/// A file, a function in it, how many unsafe blocks and attributes that has, and a test that runs them and looks at what they do.
type Known = (&'static str, &'static str, usize, &'static str);

/// All of them. Of what we ship only `supervise` and the first line of `berth-init` have any.
const KNOWN: &[Known] = &[
    ("crates/init/src/main.rs", "main", 1, "a_listen_pid_that_means_the_init_means_the_program"),
    ("crates/supervise/src/inherited.rs", "look", 2, "a_program_whose_reader_has_left_ends_by_pipe"),
    (
        "crates/supervise/src/inherited.rs",
        "take",
        1,
        "a_caller_that_ignores_child_signals_loses_no_exit_code",
    ),
    (
        "crates/supervise/src/inherited.rs",
        "restore",
        1,
        "a_child_signal_that_the_caller_ignores_and_blocks_is_so_for_the_program",
    ),
    (
        "crates/supervise/src/inherited.rs",
        "forwarded",
        1,
        "a_signal_that_the_c_library_keeps_for_itself_reaches_the_program",
    ),
    (
        "crates/supervise/src/inherited.rs",
        "swap_mask",
        1,
        "the_callers_ignored_and_blocked_signals_reach_the_program_unchanged",
    ),
    (
        "crates/supervise/src/privileges.rs",
        "has_capabilities",
        1,
        "a_node_that_brings_the_capability_itself_is_not_refused",
    ),
    (
        "crates/supervise/src/privileges.rs",
        "hand_over_bind_service",
        1,
        "only_a_role_with_a_low_port_is_handed_the_capability_to_listen_there",
    ),
    (
        "crates/supervise/src/privileges.rs",
        "ask",
        1,
        "a_port_where_the_user_may_not_listen_is_told_before_the_program_is_started",
    ),
    ("crates/supervise/src/privileges.rs", "of_ours", 1, "root_becomes_the_user_and_so_does_the_init_itself"),
    ("crates/supervise/src/privileges.rs", "set", 1, "root_becomes_the_user_and_so_does_the_init_itself"),
    ("crates/supervise/src/reap.rs", "next", 2, "an_end_by_a_signal_is_128_and_its_number"),
    ("crates/supervise/src/rest.rs", "give_back", 1, "the_program_goes_on_after_its_code_was_given_back"),
    (
        "crates/supervise/src/signals.rs",
        "new",
        1,
        "a_real_time_signal_reaches_the_program_as_often_as_it_was_sent",
    ),
    (
        "crates/supervise/src/signals.rs",
        "queue",
        1,
        "a_value_comes_with_the_number_and_the_user_of_who_has_sent_it",
    ),
    ("crates/supervise/src/signals.rs", "send", 1, "real_time_signals_reach_the_program"),
    ("crates/supervise/src/spawn.rs", "prepare", 1, "a_role_is_ready_when_its_program_says_so"),
    ("crates/supervise/src/spawn.rs", "start", 1, "a_listen_pid_that_means_the_init_means_the_program"),
    ("crates/supervise/src/terminal.rs", "stdin", 1, "closed_standard_descriptors_are_no_harm"),
    // What tests are made with.
    ("tests/src/at_exit.rs", "at_exit", 1, "a_role_is_ready_when_its_program_says_so"),
    ("tests/src/bin/witness.rs", "block", 1, "what_the_old_main_left_is_gone_before_the_new_one_starts"),
    ("tests/src/bin/witness.rs", "catch", 4, "a_value_comes_with_the_number_and_the_user_of_who_has_sent_it"),
    ("tests/src/bin/witness.rs", "die", 1, "an_end_by_a_signal_is_128_and_its_number"),
    ("tests/src/bin/witness.rs", "send", 1, "a_role_is_ready_when_its_program_says_so"),
    ("tests/src/bin/witness.rs", "zombie", 3, "a_zombie_that_it_was_started_with_is_reaped"),
    ("tests/src/case.rs", "command", 2, "a_signal_that_the_c_library_keeps_for_itself_reaches_the_program"),
    ("tests/src/process.rs", "queue", 1, "a_value_comes_with_the_number_and_the_user_of_who_has_sent_it"),
    ("tests/src/process.rs", "signal", 1, "real_time_signals_reach_the_program"),
];

#[test]
fn unsafe_code_is_where_it_is_known_and_tested() {
    let sources: BTreeMap<_, _> = ["crates", "xtask", "tests"]
        .into_iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root()).unwrap().display().to_string(), text)
        })
        .collect();
    let mut faults = Vec::new();
    let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (file, text) in &sources {
        for Place { line, function, has_reason } in places(text) {
            *found.entry((file, function)).or_default() += 1;
            if !has_reason {
                faults.push(format!("{file}:{line}: no #[expect(unsafe_code, reason = …)] of its own"));
            }
        }
    }
    for (&(file, function), &count) in &found {
        match KNOWN.iter().find(|known| (known.0, known.1) == (file, function)) {
            Some(known) if known.2 == count => {}
            Some(known) => faults.push(format!("{file}: {function} has {count} and not {}", known.2)),
            None => faults.push(format!("{file}: {function} is new")),
        }
    }
    for (file, function, _, test) in KNOWN {
        if !found.contains_key(&(*file, *function)) {
            faults.push(format!("{file}: {function} has none any more"));
        }
        let declared = format!("fn {test}(");
        if !sources.values().any(|text| text.contains(&declared)) {
            faults.push(format!("{file}: {function}: there is no test {test}"));
        }
    }
    assert!(
        faults.is_empty(),
        "unsafe code. Is there a crate that does it safely? If not: one function, // SAFETY:, a test, and a line in {}:\n  {}\n",
        file!(),
        faults.join("\n  ")
    );
}

/// Nothing switches the lints off that the rest of this relies on.
#[test]
fn the_lints_that_watch_unsafe_code_are_on() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in ["unsafe_code = \"deny\"", "undocumented_unsafe_blocks = \"deny\""] {
        assert!(manifest.contains(lint), "{lint} is not in Cargo.toml");
    }
    for package in rust_packages() {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{}: no lints", package.display());
    }
}

/// Where there is unsafe code.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    line: usize,
    /// The function that it is in, or the last one before it.
    function: &'a str,
    /// The compiler was told to expect it, between the function before and here.
    has_reason: bool,
}

/// Lines of code with the keyword, in a block, before `fn`, `impl`, `trait` or `extern`, or in an attribute.
fn places(text: &str) -> Vec<Place<'_>> {
    let (mut function, mut has_reason, mut places) = ("", false, Vec::new());
    let mut expected = false;
    for (line, number) in text.lines().zip(1..) {
        let code = line.split("//").next().unwrap_or_default();
        // rustfmt breaks a long one after the bracket.
        expected |= code.contains("expect(unsafe_code") || code.trim() == "unsafe_code,";
        if let Some(name) = declared(code) {
            (function, has_reason) = (name, std::mem::take(&mut expected));
        }
        let count = keywords(code);
        let has_reason = has_reason || count > 0 && std::mem::take(&mut expected);
        places.extend((0..count).map(|_| Place { line: number, function, has_reason }));
    }
    places
}

/// The name of the function that begins here.
fn declared(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let name = after.split(['(', '<']).next()?;
    before.split_whitespace().all(|word| words.contains(&word)).then_some(name)
}

fn keywords(code: &str) -> usize {
    let starts = ["{", "(", "fn ", "impl", "trait ", "extern "];
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '"');
    code.match_indices(KEYWORD)
        .filter(|(at, _)| {
            let after = code[at + KEYWORD.len()..].trim_start();
            let (is_end, is_start) = (after.is_empty(), starts.iter().any(|start| after.starts_with(start)));
            (is_end || is_start) && !code[..*at].ends_with(is_word)
        })
        .count()
}

/// Apart, so that this file has none.
const KEYWORD: &str = "unsafe";

#[test]
fn unsafe_code_is_found_in_every_form_and_not_in_words() {
    let text = "// U {\nfn a() { U { b() } }\n#[expect(unsafe_code, reason = \"\")]\npub(crate) U fn c<T>() {\n    U {}; U {}\n}\n\
                #[U(no_mangle)]\nU impl Send for A {}\nlet x = \"un-U (\";\nU_code();\nlet y = U\n{};\n"
        .replace('U', KEYWORD);
    let found: Vec<_> = places(&text).iter().map(|place| (place.line, place.has_reason)).collect();
    assert_eq!(
        found,
        [(2, false), (4, true), (5, true), (5, true), (7, true), (8, true), (11, true)],
        "the function of the last ones is still c"
    );
    assert_eq!(places(&text)[2].function, "c");
}

fn rust_packages() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    crates.chain(["xtask", "tests"].map(|name| root().join(name))).collect()
}
