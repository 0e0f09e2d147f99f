//! The list of roles, and what follows from it alone.
//!
//! [`ROLES`] is the only place that names every role; what runs, waits, probes and renders takes roles from here.
//! [`check`] says what is wrong with a list, [`start_order`] in which order its roles are started (and, read
//! backwards, stopped), [`describe`] what a role is in a form that machines read, [`way`] which
//! roles have a part in what becomes of what one takes in.
//!
//! Invariants: no I/O; everything but [`ROLES`], [`find`], [`called`], [`concerns`], [`way`] and [`names`] works on any list, so that it can be tried
//! on a broken one. A thirteenth role is one crate and one line here: docs/guide/adding-a-role.md.
//!
//! ```
//! let imap = berth_catalogue::find("imap").ok_or("no such role")?;
//! assert_eq!(imap.entrypoint, "imap.js");
//! let order = berth_catalogue::start_order(berth_catalogue::ROLES);
//! assert_eq!(order[0].name, "sqlite");
//! # Ok::<(), &str>(())
//! ```

use berth_report::{Code, Problem, nearest};
use berth_role::Role;

mod check;
mod concern;
mod describe;
mod order;
mod way;

pub use check::{CatalogueError, check};
pub use concern::concerns;
pub use describe::{
    BoundsDescription, CertificateDescription, MemoryDescription, NeedDescription, NeedOn, PortDescription,
    ReadinessDescription, RoleDescription, StopDescription, TlsRule, VolumeDescription, describe,
};
pub use order::start_order;
pub use way::way;

/// All roles, in the order in which they are shown.
pub static ROLES: &[&Role] = &[
    &berth_role_web::ROLE,
    &berth_role_api::ROLE,
    &berth_role_smtp::ROLE,
    &berth_role_imap::ROLE,
    &berth_role_pop3::ROLE,
    &berth_role_mx::ROLE,
    &berth_role_caldav::ROLE,
    &berth_role_carddav::ROLE,
    &berth_role_sqlite::ROLE,
    &berth_role_smtp_bree::ROLE,
    &berth_role_bree::ROLE,
    &berth_role_sqlite_bree::ROLE,
];

/// The role of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().copied().find(|role| role.name == name)
}

/// The role of this name, or what is said to whoever mistyped it.
pub fn called(name: &str) -> Result<&'static Role, Problem> {
    find(name).ok_or_else(|| {
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the roles are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Problem::new(Code::Usage, format!("there is no role {name:?}")).hint(hint)
    })
}

/// The names of all roles, in the order of [`ROLES`].
pub fn names() -> impl Iterator<Item = &'static str> {
    ROLES.iter().map(|role| role.name)
}

/// The page on adding a role, compiled and run: it shows a thirteenth.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/adding-a-role.md")]
struct AddingARole;
