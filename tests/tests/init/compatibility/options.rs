//! What others offer as an option, and what there is of it here.

use std::collections::BTreeSet;
use std::fmt::Write;

use berth_tests::{Case, is_root, peers};

use crate::running::{stderr, stdout};
use crate::trial::Column;

/// An option of another init, what it does, and what there is here instead.
type Row = (Column, &'static str, &'static str, &'static str);

const ALWAYS: &str = "Always, where it is not PID 1.";
const HELP: &str = "`--help`.";
const VERSION: &str = "`--version`.";
const GROUP: &str = "Not under `--`. With `--stop=role` the rest gets TERM once the program has ended or its drain is spent: at the same time \
it would reach Node's workers twice, once from their primary.";

const OPTIONS: &[Row] = &[
    (Column::Tini, "-s", "reap orphans though not PID 1; also `TINI_SUBREAPER`", ALWAYS),
    (
        Column::Tini,
        "-p",
        "get a signal when the parent dies",
        "Not for `berth-init`, which outlives `berth` on purpose. A role's program gets KILL when its `berth-init` dies.",
    ),
    (
        Column::Tini,
        "-v",
        "say more; also `TINI_VERBOSITY`",
        "`BERTH_LOG`; under `--` it has next to nothing to say.",
    ),
    (Column::Tini, "-w", "warn of each orphan reaped", "The count is in the line with which a role ends."),
    (Column::Tini, "-g", "signal the program's process group; also `TINI_KILL_PROCESS_GROUP`", GROUP),
    (
        Column::Tini,
        "-e",
        "turn an exit code into 0",
        "No: whoever reads the code decides what it means. The log says whether an end is normal for a role, 143 say.",
    ),
    (Column::Tini, "-l", "show the licence", "In the files `LICENSE-*` of the repository."),
    (Column::Tini, "-h", "show help", HELP),
    (Column::Tini, "--version", "show the version", VERSION),
    (
        Column::DumbInit,
        "-r",
        "send another signal in place of one, or none",
        "No: a role's stop is TERM whatever asks for it, its HUP and USR1 are [explained](berth-init.md#signals), and under `--` nothing is changed.",
    ),
    (Column::DumbInit, "-c", "signal the program only; also `DUMB_INIT_SETSID=0`", "Always."),
    (Column::DumbInit, "-v", "say more; also `DUMB_INIT_DEBUG=1`", "`BERTH_LOG`."),
    (Column::DumbInit, "-h", "show help", HELP),
    (Column::DumbInit, "-V", "show the version", VERSION),
    (Column::Catatonit, "-g", "signal the program's process group", GROUP),
    (
        Column::Catatonit,
        "-P",
        "run nothing, and hold namespaces open until INT",
        "No: that is an engine's own business. `berth-init -- sleep infinity` does the same.",
    ),
    (Column::Catatonit, "-L", "show the licence", "In the files `LICENSE-*` of the repository."),
    (Column::Catatonit, "-h", "show help", HELP),
    (Column::Catatonit, "-V", "show the version", VERSION),
];

/// The section of the page.
pub fn section() -> String {
    let mut section = "## Options\n\n| of | option | does | here |\n| --- | --- | --- | --- |\n".to_owned();
    for (column, option, does, here) in OPTIONS {
        let _ = writeln!(section, "| {} | `{option}` | {does} | {here} |", column.heading());
    }
    section
}

#[test]
fn every_option_of_others_has_its_row() {
    if !is_root() || peers().is_none() {
        return berth_tests::skip("beside other inits: needs root, and `cargo xtask test init` on Debian");
    }
    for column in [Column::Tini, Column::DumbInit, Column::Catatonit] {
        let case = Case::new();
        let output = column.asked(&case, "-h");
        let said = stdout(&output) + &stderr(&output);
        let first = said.lines().filter_map(|line| line.split_whitespace().next());
        let offered: BTreeSet<_> = first
            .filter(|word| word.starts_with('-'))
            .map(|word| word.trim_end_matches([':', ',']))
            .collect();
        let told: BTreeSet<_> =
            OPTIONS.iter().filter(|row| row.0 == column).map(|(_, option, ..)| *option).collect();
        assert_eq!(offered, told, "{column:?}");
    }
}
