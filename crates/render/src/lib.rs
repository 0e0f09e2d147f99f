//! Everything that is written from the catalogue.

/// A file of the repository that is rendered, and never edited by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Where it is, from the root of the repository.
    pub path: &'static str,
    /// What it is to hold.
    pub text: String,
}

/// All files that are rendered.
#[must_use]
pub fn generated() -> Vec<Generated> {
    Vec::new()
}
