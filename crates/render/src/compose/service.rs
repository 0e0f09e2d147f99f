//! The service of one role.

use std::fmt::Write;
use std::time::Duration;

use berth_role::{Exposure, Hostname, Role, Start, Strength, Upstream, Volume};

use super::secrets::of_roles;
use super::{line, public_name, upper};

/// How long a role that is no longer ready waits for load balancers to notice. Compose has none.
pub const STOP_DELAY: Duration = Duration::ZERO;

/// The folder of the mailboxes, as SQLITE_STORAGE_PATH says it.
const STORAGE: &str = "sqlite_storage";

/// The settings of the gate before the pages, for who reads them.
const GATE: &str = "AUTH_BASIC_PASSWORD";

/// A role as a service, with the line that says whom it serves.
pub fn role(role: &Role, all: &[&Role]) -> String {
    let mut text = String::new();
    let name = role.name;
    line!(text, "  # {}.", sentence(role.serves));
    line!(text, "  {name}:");
    line!(text, "    <<: *role");
    line!(text, "    image: {}", image(role));
    line!(text, "    command: [{name}]");
    line!(text, "    hostname: {}", hostname(role));
    environment(&mut text, role);
    if role.reads.contains(&GATE) {
        line!(text, "    secrets:");
        for secret in of_roles().map(|secret| secret.name).chain([GATE]) {
            line!(text, "      - {secret}");
        }
    }
    line!(text, "    volumes:");
    line!(text, "      - *certificates");
    for volume in role.place.volumes {
        line!(text, "      - {}:{}", volume.word(), volume.path());
    }
    ports(&mut text, role);
    networks(&mut text, role);
    depends_on(&mut text, role, all);
    line!(text, "    healthcheck:");
    line!(text, "      <<: *healthy");
    line!(text, "      start_period: {}", seconds(role.ready_within));
    line!(text, "    mem_limit: {}", memory(role, role.place.memory.application.limit));
    line!(text, "    stop_grace_period: {}", seconds(STOP_DELAY + role.stop.within()));
    text.push('\n');
    text
}

/// A role's memory limit, as a variable with its default.
pub fn memory(role: &Role, limit: berth_role::Bytes) -> String {
    format!("${{{}:-{limit}}}", memory_variable(role))
}

pub fn memory_variable(role: &Role) -> String {
    format!("BERTH_MEMORY_{}", upper(role.name))
}

/// The image of all, or of this role alone while it is being updated.
fn image(role: &Role) -> String {
    let variable = image_variable(role.name);
    format!("${{{variable}:-${{BERTH_IMAGE:?is the image of the roles, to be set in .env}}}}")
}

/// The variable that names the image of a role alone.
#[must_use]
pub fn image_variable(role: &str) -> String {
    format!("BERTH_IMAGE_{}", upper(role))
}

fn hostname(role: &Role) -> String {
    match role.place.hostname {
        Hostname::Own => format!("{}.${{DOMAIN}}", role.name),
        Hostname::Reverse => "${REVERSE_NAME:-mx.${DOMAIN}}".to_owned(),
    }
}

fn environment(text: &mut String, role: &Role) {
    let mut own = String::new();
    if role.ports.iter().any(|port| port.exposure == Exposure::Fronted) {
        line!(own, "      # Its clients come by way of the front, which says who they are.");
        line!(own, "      TRUST_PROXY: \"true\"");
    }
    if role.reads.contains(&GATE) {
        line!(own, "      # Asked for before any page, until there is somebody who may sign in.");
        line!(own, "      AUTH_BASIC_ENABLED: ${{AUTH_BASIC_ENABLED:-true}}");
        line!(own, "      AUTH_BASIC_USERNAME: admin");
        line!(own, "      {GATE}_FILE: /run/secrets/{GATE}");
    }
    if role.place.volumes.contains(&Volume::Mailboxes) {
        line!(own, "      # SQLite's temporary files may become as large as a mailbox.");
        line!(own, "      SQLITE_TMPDIR: {}/{STORAGE}/tmp", Volume::Mailboxes.path());
    }
    if own.is_empty() {
        line!(text, "    environment: *settings");
    } else {
        line!(text, "    environment:\n      <<: *settings");
        text.push_str(&own);
    }
}

fn ports(text: &mut String, role: &Role) {
    let mut public = role.ports.iter().filter(|port| port.exposure == Exposure::Public).peekable();
    if public.peek().is_some() {
        line!(text, "    ports:");
    }
    for port in public {
        text.push_str(&published(port.name, port.published, port.unprivileged()));
    }
}

/// A published port, at a service's depth. In the short form, as the long one takes no empty address.
pub fn published(name: &str, published: u16, target: u16) -> String {
    let variable = port_variable(name);
    format!("      - \"${{BERTH_BIND:+${{BERTH_BIND-}}:}}${{{variable}:-{published}}}:{target}\"\n")
}

/// The variable for the port of the host by which clients reach a port of this name.
#[must_use]
pub fn port_variable(name: &str) -> String {
    format!("BERTH_PORT_{}", upper(name))
}

/// Whoever asks outside, or is asked from there, is on both networks.
fn networks(text: &mut String, role: &Role) {
    let reached = role.ports.iter().any(|port| port.exposure != Exposure::Private);
    let outside = reached || role.place.outside.is_some();
    // By its public name the others find it here, at the port that it listens on, and not at the host's address.
    if role.host.is_some() && role.ports.iter().any(|port| port.exposure == Exposure::Public) {
        line!(text, "    networks:");
        line!(text, "      outside:");
        line!(text, "      inside:");
        line!(text, "        aliases: [\"{}\"]", public_name(role));
    } else {
        line!(text, "    networks: [{}]", if outside { "outside, inside" } else { "inside" });
    }
}

fn depends_on(text: &mut String, role: &Role, all: &[&Role]) {
    let stores = role.needs.iter().filter(|need| need.strength == Strength::Hard).map(|need| need.on);
    let stores: Vec<&str> = stores.filter_map(store).collect();
    let mut others = String::new();
    for name in role.needed_roles(Strength::Hard) {
        line!(others, "      {name}: {{ condition: service_healthy }}");
    }
    if role.start == Start::Last {
        line!(
            others,
            "      # Its start takes most of the machine: after all others, or when they have failed."
        );
        for other in all.iter().filter(|other| other.start != Start::Last && !needs(role, other)) {
            line!(others, "      {}: {{ condition: service_healthy, required: false }}", other.name);
        }
    }
    if stores == STORES && others.is_empty() {
        line!(text, "    depends_on: *stores");
        return;
    }
    line!(text, "    depends_on:");
    if stores == STORES {
        line!(text, "      <<: *stores");
    } else {
        for name in stores {
            line!(text, "      {name}: {{ condition: service_healthy }}");
        }
    }
    text.push_str(&others);
}

/// The services of the stores, in the order in which roles need them.
const STORES: [&str; 2] = ["mongodb", "redis"];

fn store(on: Upstream) -> Option<&'static str> {
    match on {
        Upstream::Documents(_) => Some(STORES[0]),
        Upstream::KeyValue(_) => Some(STORES[1]),
        Upstream::Role(_) => None,
    }
}

fn needs(role: &Role, other: &Role) -> bool {
    role.needed_roles(Strength::Hard).any(|name| name == other.name)
}

pub fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
