//! Which store an installation keeps its documents in, and that it is not left without a word: another one has none of
//! them.

use super::overlays::{FERRETDB, Overlays, STORES_ELSEWHERE};
use crate::preflight::Finding;

/// Where accounts, domains and the queue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Mongodb,
    Ferretdb,
    Elsewhere,
}

impl Store {
    fn of(overlays: &Overlays) -> Self {
        match (overlays.has(FERRETDB), overlays.has(STORES_ELSEWHERE)) {
            (true, _) => Self::Ferretdb,
            (false, true) => Self::Elsewhere,
            (false, false) => Self::Mongodb,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "MongoDB",
            Self::Ferretdb => "FerretDB",
            Self::Elsewhere => "the stores elsewhere",
        }
    }

    /// The overlay by which it is chosen.
    fn overlay(self) -> Option<&'static str> {
        match self {
            Self::Mongodb => None,
            Self::Ferretdb => Some(FERRETDB),
            Self::Elsewhere => Some(STORES_ELSEWHERE),
        }
    }
}

/// What there is to say when another store is asked for than there was; it is refused unless it is `meant`.
pub fn judge(had: &Overlays, asked: &Overlays, meant: bool) -> Option<Finding> {
    let (from, to) = (Store::of(had), Store::of(asked));
    if from == to {
        return None;
    }
    let says = format!(
        "accounts, domains and the queue are in {}, and these overlays use {}, which begins without them",
        from.name(),
        to.name()
    );
    let keep = asked.asked_with(from.overlay(), &[FERRETDB, STORES_ELSEWHERE]);
    let keep = format!("to keep them: --overlay {keep}");
    Some(if meant {
        Finding::warning("store", says, keep)
    } else {
        Finding::refused("store", says, keep + "; to begin without them: --change-stores")
    })
}
