//! What an init is expected to do, a claim for each, tried on ours and on others.
//!
//! A claim is a function that gets an init under test and fails where that does not hold it. Its name is the sentence that
//! it stands for. It is a test of `berth-init`, and a row of the table in docs/reference/pid1-compatibility.md, which
//! [`crate::compatibility`] compares with what is observed.

use crate::running::{Place, places};
use crate::trial::{Column, Trial, User};

mod exit_codes;
mod node;
pub mod reaping;
pub mod signals;
mod stopping;
pub mod surroundings;
pub mod terminals;

/// All of them, by subject.
pub const SUBJECTS: &[Subject] = &[
    exit_codes::SUBJECT,
    signals::SUBJECT,
    stopping::SUBJECT,
    reaping::SUBJECT,
    terminals::SUBJECT,
    surroundings::SUBJECT,
    node::SUBJECT,
];

/// The claims of a file.
pub struct Subject {
    pub title: &'static str,
    pub claims: &'static [Claim],
}

pub struct Claim {
    /// The sentence, with `_` for blanks.
    pub name: &'static str,
    pub tried: fn(Trial),
    pub manner: Manner,
}

/// Where a claim is tried, and what there is to say about it.
#[derive(Clone, Copy)]
pub struct Manner {
    pub places: &'static [Place],
    /// Who of ours does not hold it.
    pub not: &'static [Column],
    /// Why one of ours does not, or why it is here though every init holds it.
    pub note: &'static str,
    /// It says something of programs without an init, too.
    pub is_for_bare: bool,
    /// It can be tried as any user.
    pub is_for_all_users: bool,
}

/// As PID 1, and as an ordinary process.
pub const EVERYWHERE: Manner = Manner {
    places: &[Place::First, Place::Ordinary],
    not: &[],
    note: "",
    is_for_bare: true,
    is_for_all_users: true,
};

/// As PID 1.
pub const AS_PID_1: Manner = Manner { places: &[Place::First], ..EVERYWHERE };

/// As an ordinary process.
pub const NOT_AS_PID_1: Manner = Manner { places: &[Place::Ordinary], ..EVERYWHERE };

impl Manner {
    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// These of ours do not hold it, for this reason.
    pub const fn not(self, not: &'static [Column], note: &'static str) -> Self {
        Self { not, note, ..self }
    }

    pub const fn not_for_a_role(self, note: &'static str) -> Self {
        self.not(&[Column::Role], note)
    }

    pub const fn only_for_a_role(self, note: &'static str) -> Self {
        self.not(&[Column::Plain], note)
    }

    pub const fn not_for_bare(self) -> Self {
        Self { is_for_bare: false, ..self }
    }

    pub const fn as_one_user(self) -> Self {
        Self { is_for_all_users: false, ..self }
    }
}

/// Fails where one of ours does not hold a claim.
fn hold(claim: &Claim) {
    for column in Column::OURS {
        if claim.manner.not.contains(&column) {
            continue;
        }
        for place in places() {
            if !claim.manner.places.contains(&place) {
                continue;
            }
            // The table tries both of ours as PID 1 and root.
            let is_other = place == Place::First || column == Column::Role;
            let is_other = is_other && berth_tests::is_root() && claim.manner.is_for_all_users;
            let user = if is_other { User::Other } else { User::Same };
            (claim.tried)(Trial { column, place, user });
        }
    }
}

/// The claims of a file, each a function and where it is tried; makes a test of each.
macro_rules! claims {
    ($title:literal; $($name:ident: $manner:expr;)+) => {
        pub const SUBJECT: crate::claims::Subject = crate::claims::Subject {
            title: $title,
            claims: &[$(crate::claims::Claim { name: stringify!($name), tried: $name, manner: $manner }),+],
        };

        mod held {
            $(
                #[test]
                fn $name() {
                    let claim = super::SUBJECT.claims.iter().find(|claim| claim.name == stringify!($name));
                    crate::claims::hold(claim.unwrap());
                }
            )+
        }
    };
}
use claims;
