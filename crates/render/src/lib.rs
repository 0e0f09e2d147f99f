//! Everything that is written from the catalogue.
//!
//! Pure functions from roles to text. `cargo xtask generate` writes what [`generated`] returns and
//! `cargo xtask check` compares it, so that no page says anything about a role that its constant does not.
//!
//! Invariants: no I/O; the same roles give the same text, byte for byte; knows no role by name. Not linked
//! into PID 1, which has no use for manuals.
//!
//! ```
//! let page = berth_render::roles_page(berth_catalogue::ROLES);
//! assert!(page.contains("## imap\n"));
//! ```

use berth_catalogue::ROLES;

pub mod compose;
pub mod dockerfile;
mod roles;
mod settings;

pub use roles::roles_page;
pub use settings::settings_page;

/// What the sample application says of its own settings.
const SAMPLE_DEFAULTS: &str = include_str!("../../../docker/app/.env.defaults");

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
    let mut files = vec![
        Generated { path: "docs/reference/roles.md", text: roles_page(ROLES) },
        Generated { path: "docs/reference/settings.md", text: settings_page(ROLES, SAMPLE_DEFAULTS) },
    ];
    files.extend(compose::files());
    files.push(compose::page());
    files.extend(dockerfile::dockerfiles());
    files
}
