//! The front: nginx, which speaks HTTPS for the roles with pages.

use std::fmt::Write;

use berth_role::{Check, Exposure, Role};

use super::{fill, fronted, line, service};

const TEMPLATE: &str = include_str!("../../templates/compose/front/nginx.conf");

/// What the front publishes, and where it listens for it: above 1024, as it is not root.
pub const PORTS: [(&str, u16, u16); 2] = [("http", 80, 8080), ("https", 443, HTTPS)];

/// Where it speaks HTTPS, in its container.
pub const HTTPS: u16 = 8443;

pub fn ports() -> String {
    PORTS.iter().map(|(name, published, target)| service::published(name, *published, *target)).collect()
}

pub fn nginx(roles: &[&Role]) -> String {
    let servers: Vec<String> =
        fronted(roles).map(|(role, port)| server(role, port.unprivileged(), roles)).collect();
    fill(TEMPLATE, &[("servers", &servers.join("\n"))])
}

fn server(role: &Role, port: u16, roles: &[&Role]) -> String {
    let (name, target) = (role.name, PORTS[1].2);
    let by_default = role.is_at_domain_itself();
    let flag = if by_default { " default_server" } else { "" };
    let mut text = String::new();
    line!(text, "  # {}.", service::sentence(role.serves));
    line!(text, "  server {{");
    line!(text, "    listen {target} ssl{flag};");
    line!(text, "    listen [::]:{target} ssl{flag};");
    let names = if by_default { "_".to_owned() } else { format!("~^{name}\\.") };
    line!(text, "    server_name {names};");
    line!(text, "    # Plain HTTP on the port of HTTPS.");
    line!(text, "    error_page 497 =308 https://$http_host$request_uri;");
    let mut davs = String::new();
    for dav in roles.iter().filter(|dav| is_dav(dav)).filter(|dav| by_default || dav.name == name) {
        let to = if by_default {
            format!("https://{}.$domain/", dav.name)
        } else {
            "https://$http_host/".to_owned()
        };
        line!(davs, "    location = /.well-known/{} {{", dav.name);
        line!(davs, "      return 301 {to};");
        line!(davs, "    }}");
    }
    if !davs.is_empty() {
        line!(text, "    # Where devices begin (RFC 6764 section 5).");
        text.push_str(&davs);
    }
    line!(text, "    location / {{");
    line!(text, "      set $role {name};");
    line!(text, "      proxy_pass https://$role:{port};");
    line!(text, "    }}");
    line!(text, "  }}");
    text
}

/// Whether devices look for it by RFC 6764.
fn is_dav(role: &Role) -> bool {
    role.health.contains(&Check::DavUnauthorized)
        && role.ports.iter().any(|port| port.exposure == Exposure::Fronted)
}
