//! `compose.yaml`, and what all its services have in common.

use std::collections::BTreeSet;
use std::fmt::Write;

use berth_catalogue::start_order;
use berth_role::{Exposure, Role, Tls, Upstream, Volume};

use super::secrets::{Made, Readers, SECRETS, Secret, of_roles};
use super::{fill, front, fronted, images, line, public_name, service};

const TEMPLATE: &str = include_str!("../../templates/compose/compose.yaml");

/// Where the certificates are in every container that has them.
const CERTIFICATE_FILES: [&str; 3] =
    ["/certificates/fullchain.pem", "/certificates/privkey.pem", "/certificates/chain.pem"];

/// What names a key-value store for other settings to name, and so for prefixes that no role declares.
const KEY_VALUE_FOR_OTHERS: &str = "REDIS_";

pub fn compose(roles: &[&Role]) -> String {
    let services: Vec<String> = start_order(roles).iter().map(|role| service::role(role, roles)).collect();
    images::fill(&fill(
        TEMPLATE,
        &[
            ("role-secrets", &list(of_roles().map(|secret| secret.name), 4)),
            ("hosts", &hosts(roles)),
            ("urls", &urls(roles)),
            ("ports", &ports(roles)),
            ("protocols", &protocols(roles)),
            ("certificates", &certificates(roles)),
            ("secret-files", &secret_files()),
            ("documents", &documents()),
            ("key-value", &key_value(roles)),
            ("services", &services.concat()),
            ("front-ports", &front::ports()),
            ("volumes", &volumes(roles)),
            ("secrets", &secrets()),
        ],
    ))
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>, indent: usize) -> String {
    let mut text = String::new();
    for name in names {
        line!(text, "{:indent$}- {name}", "");
    }
    text
}

fn hosts(roles: &[&Role]) -> String {
    let mut text = String::new();
    for role in roles {
        let Some(host) = role.host else { continue };
        let private = role.ports.iter().all(|port| port.exposure == Exposure::Private);
        let name = if private { role.name.to_owned() } else { public_name(role) };
        line!(text, "  {host}: {name}");
    }
    text
}

fn urls(roles: &[&Role]) -> String {
    let mut text = String::new();
    for (role, _) in fronted(roles) {
        if let Some(setting) = role.host.and_then(|host| host.strip_suffix("_HOST")) {
            line!(text, "  {setting}_URL: https://{}", public_name(role));
        }
    }
    text
}

fn ports(roles: &[&Role]) -> String {
    let mut text = String::new();
    for port in roles.iter().flat_map(|role| role.ports) {
        line!(text, "  {}: {}", port.setting, port.unprivileged());
    }
    text
}

fn protocols(roles: &[&Role]) -> String {
    let mut text = String::new();
    for port in roles.iter().flat_map(|role| role.ports) {
        if let Tls::WhenHttps(setting) = port.tls {
            line!(text, "  {setting}: https");
        }
    }
    text
}

fn certificates(roles: &[&Role]) -> String {
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for files in roles.iter().filter_map(|role| role.certificate) {
        for (setting, file) in [files.chain, files.key, files.authority].into_iter().zip(CERTIFICATE_FILES) {
            if told.insert(setting) {
                line!(text, "  {setting}: {file}");
            }
        }
    }
    text
}

fn secret_files() -> String {
    from_files(|secret| secret.readers == Readers::Roles)
}

fn documents() -> String {
    from_files(|secret| matches!(secret.made, Made::Documents(_)))
}

/// Settings whose values are in secrets of their names.
fn from_files(is_wanted: impl Fn(&Secret) -> bool) -> String {
    let mut text = String::new();
    for Secret { name, .. } in of_roles().filter(|secret| is_wanted(secret)) {
        line!(text, "  {name}_FILE: /run/secrets/{name}");
    }
    text
}

/// The prefixes under which roles look for a key-value store, and that under which others may.
pub fn prefixes(roles: &[&Role]) -> Vec<&'static str> {
    let mut prefixes = vec![KEY_VALUE_FOR_OTHERS];
    for need in roles.iter().flat_map(|role| role.needs) {
        if let Upstream::KeyValue(prefix) = need.on
            && !prefixes.contains(&prefix)
        {
            prefixes.push(prefix);
        }
    }
    prefixes
}

fn key_value(roles: &[&Role]) -> String {
    let mut text = String::new();
    for prefix in prefixes(roles) {
        line!(text, "  {prefix}HOST: redis");
        line!(text, "  {prefix}PORT: 6379");
        line!(text, "  {prefix}PASSWORD_FILE: /run/secrets/REDIS_PASSWORD");
    }
    text
}

fn volumes(roles: &[&Role]) -> String {
    let mut text = String::new();
    let used: BTreeSet<&str> =
        roles.iter().flat_map(|role| role.place.volumes).map(|volume: &Volume| volume.word()).collect();
    for volume in used {
        line!(text, "  {volume}:");
    }
    text
}

fn secrets() -> String {
    let mut text = String::new();
    for secret in SECRETS.iter().filter(|secret| secret.overlay.is_none()) {
        line!(text, "  {}:", secret.name);
        line!(text, "    file: ${{BERTH_SECRETS:-./secrets}}/{}", secret.name);
    }
    text
}
