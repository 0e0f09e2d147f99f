//! docs/reference/compose.md.

use std::fmt::Write;

use berth_catalogue::start_order;
use berth_role::{Bounds, Exposure, Hostname, Role, Start, Strength};

use super::overlays::OVERLAYS;
use super::secrets::{Made, SECRETS, Secret};
use super::service::{self, STOP_DELAY};
use super::{VARIABLES, Variable, files, front, line};

const TEMPLATE: &str = include_str!("../../templates/compose.md");

pub fn page(roles: &[&Role]) -> String {
    let files = files();
    let uses = |name: &str| -> Vec<&str> {
        let uses = files.iter().filter(|file| is_used(name, &file.text));
        let inside = uses.filter_map(|file| file.path.strip_prefix("compose/"));
        inside.filter(|file| !file.ends_with(".example")).collect()
    };
    let mut text = TEMPLATE.to_owned();
    for (place, value) in [
        ("%overlays%\n", overlays()),
        ("%services%\n", services(roles)),
        ("%ports%\n", ports(roles)),
        ("%variables%\n", variables(uses)),
        ("%secrets%\n", secrets()),
    ] {
        debug_assert!(text.contains(place), "no place for {place}");
        text = text.replace(place, &value);
    }
    text
}

/// Whether a file refers to this variable, and not only to one whose name begins with it.
fn is_used(name: &str, text: &str) -> bool {
    let reference = format!("${{{name}");
    let goes_on = |rest: &str| rest.starts_with(|next: char| next == '_' || next.is_ascii_alphanumeric());
    text.match_indices(&reference).any(|(at, _)| !goes_on(&text[at + reference.len()..]))
}

fn overlays() -> String {
    let mut text = String::new();
    for (name, meaning) in OVERLAYS {
        line!(text, "| `{name}` | {meaning} |");
    }
    text
}

fn services(roles: &[&Role]) -> String {
    let mut text = String::new();
    for role in start_order(roles) {
        let reached = role.ports.iter().any(|port| port.exposure != Exposure::Private);
        let networks = if reached || role.place.outside.is_some() { "outside, inside" } else { "inside" };
        let hostname = match role.place.hostname {
            Hostname::Own => format!("`{}.DOMAIN`", role.name),
            Hostname::Reverse => "`REVERSE_NAME`".to_owned(),
        };
        let volumes: Vec<&str> = role.place.volumes.iter().map(|volume| volume.word()).collect();
        let needs: Vec<&str> = role.needed_roles(Strength::Hard).collect();
        let needs = match (role.start, needs.as_slice()) {
            (Start::Last, _) => ", all others".to_owned(),
            (_, []) => String::new(),
            (_, needs) => format!(", {}", needs.join(", ")),
        };
        let stop = service::seconds(STOP_DELAY + role.stop.within());
        let limits = |Bounds { limit, .. }: Bounds| limit.to_string();
        let memory = role.place.memory;
        line!(
            text,
            "| [{0}](roles.md#{0}) | {hostname} | {networks} | stores{needs} | {1} | {2} | {3} | {stop} |",
            role.name,
            volumes.join(", "),
            limits(memory.application),
            limits(memory.sample),
        );
    }
    text
}

fn ports(roles: &[&Role]) -> String {
    let mut text = String::new();
    for (role, port) in super::public(roles) {
        let number = port.unprivileged();
        let variable = service::port_variable(port.name);
        line!(text, "| {} | `{variable}` | [{1}](roles.md#{1}), {number} |", port.published, role.name);
    }
    for (name, published, target) in front::PORTS {
        line!(text, "| {published} | `{}` | front, {target} |", service::port_variable(name));
    }
    text
}

fn variables<'a>(uses: impl Fn(&str) -> Vec<&'a str>) -> String {
    let mut text = String::new();
    for Variable { name, meaning, default, sample, required } in VARIABLES.iter() {
        let default = match default {
            Some(default) => format!("`{default}`"),
            None if *required => "has to be set".to_owned(),
            None => String::new(),
        };
        let sample = sample.as_ref().map(|sample| format!("; sample: `{sample}`")).unwrap_or_default();
        let files: Vec<_> = uses(name).into_iter().map(|file| format!("`{file}`")).collect();
        line!(text, "| `{name}` | {meaning} | {default}{sample} | {} |", files.join(", "));
    }
    text
}

fn secrets() -> String {
    let mut text = String::new();
    for Secret { name, meaning, made, overlay, .. } in SECRETS {
        let made = match made {
            Made::Letters(count) => format!("{count} letters and digits"),
            Made::Hexadecimal(count) => format!("{count} hexadecimal digits"),
            Made::List(count) => format!("{count} hexadecimal digits and a comma"),
            Made::Documents(database) => {
                format!("`mongodb://berth:MONGO_PASSWORD@mongodb:27017/{database}?authSource=admin`")
            }
            Made::PostgreSql => "`postgres://berth:MONGO_PASSWORD@postgresql:5432/postgres`".to_owned(),
        };
        let overlay = overlay.map(|overlay| format!(" (`{overlay}`)")).unwrap_or_default();
        line!(text, "| `{name}` | {meaning}{overlay} | {made} |");
    }
    text
}
