//! The files that change what `compose.yaml` is.

use std::collections::BTreeSet;
use std::fmt::Write;

use berth_catalogue::start_order;
use berth_role::{Role, Start};

use super::base::prefixes;
use super::secrets::SECRETS;
use super::service::memory;
use super::{fill, fronted, images, line, upper};
use crate::Generated;

const BUILD: &str = include_str!("../../templates/compose/build.yaml");
const SAMPLE: &str = include_str!("../../templates/compose/sample.yaml");
const FERRETDB: &str = include_str!("../../templates/compose/ferretdb.yaml");
const INJECTED: &str = include_str!("../../templates/compose/injected.yaml");
const NO_FRONT: &str = include_str!("../../templates/compose/no-front.yaml");
const STORES_ELSEWHERE: &str = include_str!("../../templates/compose/stores-elsewhere.yaml");
const FORWARD_ONLY: &str = include_str!("../../templates/compose/forward-only.yaml");

/// Each with what it changes, in the order in which they are given to Compose.
pub const OVERLAYS: [(&str, &str); 7] = [
    ("build.yaml", "the image is built from the application's source, in a clone of berth's repository"),
    (
        "injected.yaml",
        "the application's own published image, untouched, with `berth-init` from this host (`BERTH_INIT_FILE`)",
    ),
    (
        "sample.yaml",
        "the sample application: its settings, and the memory that it takes; mail to other domains comes back",
    ),
    (
        "ferretdb.yaml",
        "experimental: FerretDB over PostgreSQL in the place of MongoDB, for CPUs without AVX, and ARM before v8.2",
    ),
    (
        "stores-elsewhere.yaml",
        "MongoDB and Redis that are there already, by the URIs in the secrets and `REDIS_HOST`",
    ),
    ("no-front.yaml", "no front: the roles with pages are published to a proxy of yours on this host"),
    (
        "forward-only.yaml",
        "only the roles that forward and send; no mailboxes. With the sample application only their health is tested",
    ),
];

/// All of them, in that order.
pub fn all(roles: &[&Role]) -> Vec<Generated> {
    vec![
        Generated { path: "compose/build.yaml", text: build(roles) },
        Generated { path: "compose/injected.yaml", text: injected(roles) },
        Generated { path: "compose/sample.yaml", text: sample(roles) },
        Generated { path: "compose/ferretdb.yaml", text: ferretdb(roles) },
        Generated { path: "compose/stores-elsewhere.yaml", text: stores_elsewhere(roles) },
        Generated { path: "compose/no-front.yaml", text: no_front(roles) },
        Generated { path: "compose/forward-only.yaml", text: forward_only(roles) },
    ]
}

fn build(roles: &[&Role]) -> String {
    let order = start_order(roles);
    let (builder, others) = builder(&order);
    images::fill(&fill(BUILD, &[("builder", builder), ("services", &alike(&others, "made"))]))
}

/// The role that has the image built for all, one that is there in any case; and the others. Two that do it at once are in
/// each other's way.
fn builder<'a>(roles: &[&'a Role]) -> (&'static str, Vec<&'a Role>) {
    let builder = roles.iter().find(|role| role.forwards).map_or("", |role| role.name);
    (builder, roles.iter().copied().filter(|role| role.name != builder).collect())
}

fn injected(roles: &[&Role]) -> String {
    fill(INJECTED, &[("services", &alike(roles, "injected"))])
}

fn sample(roles: &[&Role]) -> String {
    let mut services = String::new();
    for role in start_order(roles) {
        line!(services, "  {}:", role.name);
        line!(services, "    environment: *sample");
        line!(services, "    mem_limit: {}\n", memory(role, role.place.memory.sample.limit));
    }
    fill(SAMPLE, &[("services", &services)])
}

fn ferretdb(roles: &[&Role]) -> String {
    let mut secrets = String::new();
    for secret in SECRETS.iter().filter(|secret| secret.overlay == Some("ferretdb.yaml")) {
        line!(secrets, "  {}:", secret.name);
        line!(secrets, "    file: ${{BERTH_SECRETS:-./secrets}}/{}", secret.name);
    }
    let stores = "mongodb: !reset null, ferretdb: { condition: service_healthy }";
    let places = [("services", &*each(roles, &[], stores)), ("secrets", &secrets)];
    images::fill(&fill(FERRETDB, &places))
}

fn stores_elsewhere(roles: &[&Role]) -> String {
    let mut settings = String::new();
    for (index, prefix) in prefixes(roles).into_iter().enumerate() {
        let otherwise = if index == 0 { ":?is where Redis is, to be set in .env" } else { "" };
        line!(settings, "    {prefix}HOST: ${{REDIS_HOST{otherwise}}}");
        line!(settings, "    {prefix}PORT: ${{REDIS_PORT:-6379}}");
        line!(settings, "    {prefix}USERNAME: ${{REDIS_USERNAME-}}");
        line!(settings, "    {prefix}TLS: ${{REDIS_TLS:-false}}");
    }
    let services = each(roles, &["<<: *elsewhere"], "mongodb: !reset null, redis: !reset null");
    fill(STORES_ELSEWHERE, &[("services", &services), ("key-value", &settings)])
}

fn no_front(roles: &[&Role]) -> String {
    let mut services = String::new();
    for (role, port) in fronted(roles) {
        let number = port.unprivileged();
        line!(services, "  {}:", role.name);
        line!(services, "    ports:");
        let variable = proxied_variable(role);
        line!(services, "      - \"${{BERTH_PROXY_BIND:-127.0.0.1}}:${{{variable}:-{number}}}:{number}\"\n");
    }
    fill(NO_FRONT, &[("services", &services)])
}

pub fn proxied_variable(role: &Role) -> String {
    format!("BERTH_PROXIED_{}", upper(role.name))
}

fn forward_only(roles: &[&Role]) -> String {
    let absent = || roles.iter().filter(|role| !role.forwards);
    let mut services = String::new();
    for role in absent() {
        line!(services, "  {}: !reset null", role.name);
    }
    services.push('\n');
    for role in roles.iter().filter(|role| role.forwards && role.start == Start::Last) {
        line!(services, "  {}:", role.name);
        line!(services, "    depends_on:");
        for other in absent() {
            line!(services, "      {}: !reset null", other.name);
        }
        services.push('\n');
    }
    let mut volumes = String::new();
    let words: BTreeSet<&str> =
        absent().flat_map(|role| role.place.volumes).map(|volume| volume.word()).collect();
    for word in words {
        line!(volumes, "  {word}: !reset null");
    }
    fill(FORWARD_ONLY, &[("services", &services), ("volumes", &volumes)])
}

/// Every role with the same change.
fn alike(roles: &[&Role], anchor: &str) -> String {
    let mut services = String::new();
    for role in start_order(roles) {
        line!(services, "  {}: *{anchor}\n", role.name);
    }
    services
}

/// Every role with these lines, and other needs. Said of each, as Compose sees no `!reset` behind an alias.
fn each(roles: &[&Role], lines: &[&str], needs: &str) -> String {
    let mut services = String::new();
    for role in start_order(roles) {
        line!(services, "  {}:", role.name);
        for same in lines {
            line!(services, "    {same}");
        }
        line!(services, "    depends_on: {{ {needs} }}\n");
    }
    services
}
