//! Everything for Docker Compose: the service, its overlays, the front's configuration.
//!
//! Each file is a template that reads as the file it becomes, with places (`%services%`) for what comes from the
//! catalogue. [`VARIABLES`] and [`SECRETS`] are the tables of what an installation sets and keeps beside them.

use berth_catalogue::ROLES;
use berth_role::{Exposure, Port, Role};

use crate::Generated;

mod base;
mod example;
mod front;
mod given;
mod images;
mod overlays;
mod page;
mod secrets;
mod service;
mod variables;

pub use front::HTTPS as FRONT_HTTPS;
pub use given::{Given, given};
pub use overlays::OVERLAYS;
pub use secrets::{Made, Readers, SECRETS, Secret};
pub use service::{image_variable, port_variable};
pub use variables::{VARIABLES, Variable};

/// The folder of the files in the repository; their paths begin with it.
pub const FOLDER: &str = "compose";

/// All files, by their paths from the root of the repository. They find each other by relative paths, so they may be
/// written to any folder, as long as their places in it stay the same.
#[must_use]
pub fn files() -> Vec<Generated> {
    let mut files = vec![
        Generated { path: "compose/compose.yaml", text: base::compose(ROLES) },
        Generated { path: "compose/front/nginx.conf", text: front::nginx(ROLES) },
    ];
    files.extend(overlays::all(ROLES));
    files.push(Generated { path: "compose/.env.example", text: example::example() });
    files
}

/// The reference page, in Markdown.
#[must_use]
pub fn page() -> Generated {
    Generated { path: "docs/reference/compose.md", text: page::page(ROLES) }
}

/// A template with its places filled, each a line of its own unless the text for it is a word.
fn fill(template: &str, places: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in places {
        let place = format!("%{name}%");
        debug_assert!(text.contains(&place), "no place for {name}");
        let line = format!("{place}\n");
        text = text.replace(&line, value).replace(&place, value.trim_end());
    }
    format!("# Written by `cargo xtask generate`; a change here is lost.\n\n{text}")
}

/// The ports that are published directly, with the role that has each.
fn public<'a>(roles: &[&'a Role]) -> impl Iterator<Item = (&'a Role, &'a Port)> {
    with_exposure(roles, Exposure::Public)
}

/// The ports behind the front.
fn fronted<'a>(roles: &[&'a Role]) -> impl Iterator<Item = (&'a Role, &'a Port)> {
    with_exposure(roles, Exposure::Fronted)
}

fn with_exposure<'a>(roles: &[&'a Role], exposure: Exposure) -> impl Iterator<Item = (&'a Role, &'a Port)> {
    let ports = roles.iter().flat_map(|role| role.ports.iter().map(move |port| (*role, port)));
    ports.filter(move |(_, port)| port.exposure == exposure)
}

/// The host under which a role is found from outside, in terms of the variable DOMAIN.
fn public_name(role: &Role) -> String {
    role.public_name("${DOMAIN}")
}

/// A role's name, or a port's, as a part of a variable's.
fn upper(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// Adds a line to a file that is being written.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {
        writeln!($text, $($arguments)*).expect("writing to a string does not fail")
    };
}
use line;
