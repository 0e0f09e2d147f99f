//! Tries every claim on every init, and compares the table with the page in the manual. After a wanted change:
//! `cargo xtask compatibility`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use berth_tests::{DEADLINE, be_patient_for, is_root, peers, root, skip, tell};
use snapbox::{Data, assert_data_eq};

use crate::claims::{Claim, SUBJECTS};
use crate::running::Place;
use crate::trial::{Column, Trial, User};

mod options;
mod page;

/// So many claims are tried at a time, beside the other tests: they wait more than they work.
const AT_A_TIME: usize = 4;

/// A claim that fails by waiting is known to do so after this long, if the page says that it does.
const SHORT: Duration = Duration::from_millis(1500);

/// So often is tried again what the page says to hold.
const AGAIN: u32 = 3;

/// What became of a claim, tried on one init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    /// It says nothing of this init.
    Void,
}

fn verdict(claim: &Claim, column: Column, patience: Duration) -> Verdict {
    if column == Column::Bare && !claim.manner.is_for_bare {
        return Verdict::Void;
    }
    let place = if claim.manner.places.contains(&Place::First) { Place::First } else { Place::Ordinary };
    be_patient_for(patience);
    let tried = catch_unwind(AssertUnwindSafe(|| {
        (claim.tried)(Trial { column, place, user: User::Same });
    }));
    be_patient_for(DEADLINE);
    if let Err(why) = &tried {
        let why = why.downcast_ref::<String>().map_or("", String::as_str);
        tell_if_asked(&format!("{column:?}: {}: {why}", claim.name));
    }
    if tried.is_ok() { Verdict::Holds } else { Verdict::Fails }
}

/// Why each claim failed, for who works on one: BERTH_TEST_WHY.
fn tell_if_asked(line: &str) {
    if std::env::var_os("BERTH_TEST_WHY").is_some() {
        tell(line);
    }
}

/// Tries all, and gives a row of verdicts for each claim.
fn observe(known: &str) -> Vec<Vec<Verdict>> {
    let claims: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.claims).collect();
    let cells: Vec<_> = claims.iter().flat_map(|claim| Column::ALL.map(|column| (*claim, column))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((claim, column)) = cells.get(number) else { return seen };
            let mut found = verdict(claim, *column, SHORT);
            // What is new may be the machine's doing, which was busy: a deadline was missed, or signals that come twice became one.
            for _ in 0..AGAIN {
                if !page::says(known, claim, *column, found) {
                    found = verdict(claim, *column, DEADLINE);
                }
            }
            seen.push((number, found));
        }
    };
    let mut seen: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    seen.sort_by_key(|(number, _)| *number);
    let verdicts: Vec<_> = seen.into_iter().map(|(_, verdict)| verdict).collect();
    verdicts.chunks(Column::ALL.len()).map(<[_]>::to_vec).collect()
}

#[test]
fn the_page_says_what_is_observed_of_every_init() {
    if !is_root() || peers().is_none() {
        return skip("as PID 1 and beside other inits: needs root, and `cargo xtask test init` on Debian");
    }
    let path = root().join("docs/reference/pid1-compatibility.md");
    let known = fs_err::read_to_string(&path).unwrap_or_default();
    let observed = observe(&known);
    assert_data_eq!(page::page(&observed), Data::read_from(&path, None).raw());
    page::assert_reasoned(&observed);
}
