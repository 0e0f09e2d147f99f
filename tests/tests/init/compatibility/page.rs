//! The page in the manual.

use std::fmt::Write;

use berth_tests::Case;

use super::{Verdict, options};
use crate::claims::{Claim, SUBJECTS};
use crate::running::{stderr, stdout};
use crate::trial::Column;

const HEAD: &str = include_str!("head.md");

/// Words of a sentence that are written otherwise in a name.
const WORDS: &[(&str, &str)] = &[
    ("hup", "HUP"),
    ("int", "INT"),
    ("term", "TERM"),
    ("kill", "KILL"),
    ("usr1", "USR1"),
    ("tstp", "TSTP"),
    ("cont", "CONT"),
    ("winch", "WINCH"),
    ("pid", "PID"),
    ("node", "Node"),
    ("terms", "TERMs"),
    ("pipe", "PIPE"),
    ("ttin", "TTIN"),
    ("ttou", "TTOU"),
    ("c", "C"),
    ("ctrl", "Ctrl"),
    ("z", "Z"),
    ("proc", "/proc"),
    ("programs", "program's"),
    ("callers", "caller's"),
];

/// The sentence that a claim's name stands for.
fn sentence(claim: &Claim) -> String {
    let words = claim
        .name
        .split('_')
        .map(|word| WORDS.iter().find(|(written, _)| *written == word).map_or(word, |(_, meant)| meant));
    let sentence = words.collect::<Vec<_>>().join(" ").replace("real time", "real-time");
    sentence[..1].to_uppercase() + &sentence[1..]
}

fn cell(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "yes",
        Verdict::Fails => "**no**",
        Verdict::Void => "–",
    }
}

/// `tini 0.19.0`, and so on, as they say themselves: `tini version 0.19.0`, `dumb-init v1.2.5`.
fn versions() -> String {
    let version = |column: Column| {
        let case = Case::new();
        let output = column.asked(&case, "--version");
        let said = stdout(&output) + &stderr(&output);
        let number = said.split_whitespace().last().unwrap_or_default().trim_start_matches('v');
        let name = column.heading().trim_matches('`');
        format!("{name} {}", number.split('_').next().unwrap_or_default())
    };
    [Column::Tini, Column::DumbInit, Column::Catatonit].map(version).join(", ")
}

pub fn page(observed: &[Vec<Verdict>]) -> String {
    let mut page = HEAD.replace("%versions%", &versions());
    let mut rows = observed.iter();
    for subject in SUBJECTS {
        let _ = writeln!(page, "## {}\n", subject.title);
        let headings: Vec<_> = Column::ALL.iter().map(|column| column.heading()).collect();
        let _ = writeln!(page, "| | {} | |", headings.join(" | "));
        let _ = writeln!(page, "| --- |{}", " --- |".repeat(headings.len() + 1));
        for claim in subject.claims {
            let cells: Vec<_> = rows.next().into_iter().flatten().map(|verdict| cell(*verdict)).collect();
            let _ = writeln!(page, "| {} | {} | {} |", sentence(claim), cells.join(" | "), claim.manner.note);
        }
        page.push('\n');
    }
    page + &options::section()
}

/// Whether a page says this of an init.
pub fn says(page: &str, claim: &Claim, column: Column, verdict: Verdict) -> bool {
    let begin = format!("| {} |", sentence(claim));
    let row = page.lines().find_map(|line| line.strip_prefix(&begin));
    let at = Column::ALL.iter().position(|other| *other == column);
    let said = row.zip(at).and_then(|(row, at)| row.split('|').nth(at));
    said.is_some_and(|said| said.trim() == cell(verdict))
}

/// No claim that one of ours does not hold is without a reason, nor is one that tells nobody apart; and none is called not
/// held that is.
pub fn assert_reasoned(observed: &[Vec<Verdict>]) {
    let claims = SUBJECTS.iter().flat_map(|subject| subject.claims);
    for (claim, row) in claims.zip(observed) {
        for (column, verdict) in
            Column::ALL.iter().zip(row).filter(|(column, _)| Column::OURS.contains(column))
        {
            let is_told = claim.manner.not.contains(column);
            assert_eq!(*verdict == Verdict::Fails, is_told, "{column:?}: {}", claim.name);
        }
        let tells_apart = row.contains(&Verdict::Fails);
        let needs_note = !tells_apart || !claim.manner.not.is_empty();
        assert!(!needs_note || !claim.manner.note.is_empty(), "no reason: {}", claim.name);
    }
}
