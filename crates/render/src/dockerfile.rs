//! What Dockerfiles say of the roles. Between two marks it is written from the catalogue; the rest is written by hand.

use std::fmt::Write;
use std::time::Duration;

use berth_catalogue::ROLES;
use berth_role::{Exposure, Port, Role};
use berth_settings::NEED_WITHIN;

use crate::Generated;

/// The image from the application's source.
const SOURCE: &str = include_str!("../../../docker/Dockerfile");

/// The image from one that was published. `berth image derive` has it along.
pub const DERIVED: &str = include_str!("../../../docker/Dockerfile.derived");

/// Between two checks, once it is healthy; and while it is not yet.
const INTERVAL: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(1);

/// A check puts one question or two, each within 15 s (`Patience` of crates/probe); Docker kills it then.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Both Dockerfiles.
#[must_use]
pub fn dockerfiles() -> Vec<Generated> {
    vec![
        Generated { path: "docker/Dockerfile", text: filled(SOURCE) },
        Generated { path: "docker/Dockerfile.derived", text: filled(DERIVED) },
    ]
}

/// The ports that a role's container listens on for others than roles, in the image's EXPOSE. The private one is left
/// out: `docker run -P` publishes what is exposed.
#[must_use]
pub fn exposed(roles: &[&Role]) -> Vec<u16> {
    let ports = roles.iter().flat_map(|role| role.ports);
    ports.filter(|port| port.exposure != Exposure::Private).map(inside).collect()
}

/// The labels that every image has, by name.
#[must_use]
pub fn labels(roles: &[&Role]) -> Vec<(String, String)> {
    let names: Vec<_> = roles.iter().map(|role| role.name).collect();
    let port = |role: &Role, port: &Port| {
        let told = match port.exposure {
            Exposure::Private => format!("{} {}", inside(port), port.exposure.word()),
            Exposure::Public | Exposure::Fronted => {
                format!("{} {} as {}", inside(port), port.exposure.word(), port.published)
            }
        };
        (format!("berth.port.{}", role.name), told)
    };
    let ports = roles.iter().flat_map(|role| role.ports.iter().map(|one| port(role, one)));
    std::iter::once(("berth.roles".to_owned(), names.join(" "))).chain(ports).collect()
}

/// The number inside of a container, whose user may have none below 1024.
fn inside(port: &Port) -> u16 {
    port.unprivileged()
}

/// A Dockerfile with what is between its marks.
fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut between = false;
    for line in text.lines() {
        if line == END {
            between = false;
        }
        if !between {
            filled += line;
            filled.push('\n');
        }
        if let Some(part) = line.strip_prefix("# --- ").and_then(|rest| rest.strip_suffix(MARK)) {
            between = true;
            filled += &match part {
                "roles" => names(ROLES),
                "image" => image(ROLES),
                _ => String::new(),
            };
        }
    }
    filled
}

const MARK: &str = ": from the catalogue, by `cargo xtask generate` ---";
const END: &str = "# --- end ---";

fn names(roles: &[&Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.name).collect();
    format!("ARG ROLES=\"{}\"\n", names.join(" "))
}

fn image(roles: &[&Role]) -> String {
    let mut lines = String::from("LABEL");
    for (name, value) in labels(roles) {
        write!(lines, " \\\n    {name}=\"{value}\"").expect("writing to a string does not fail");
    }
    let ports: Vec<_> = exposed(roles).iter().map(ToString::to_string).collect();
    let longest = roles.iter().map(|role| role.ready_within).max().unwrap_or_default();
    let seconds = |time: Duration| format!("{}s", time.as_secs());
    write!(
        lines,
        "\nEXPOSE {}\nSTOPSIGNAL SIGTERM\n\
         HEALTHCHECK --interval={} --timeout={} --start-period={} --start-interval={} --retries=3 \\\n    \
         CMD [\"/usr/local/bin/berth-init\", \"health\"]\n\
         ENTRYPOINT [\"/usr/local/bin/berth-init\"]\n",
        ports.join(" "),
        seconds(INTERVAL),
        seconds(TIMEOUT),
        // So long a role waits for what it needs, before the time for its start begins.
        seconds(NEED_WITHIN + longest),
        seconds(START_INTERVAL),
    )
    .expect("writing to a string does not fail");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let text = format!("FROM a\n# --- roles{MARK}\nold\n{END}\nUSER b\n");
        let once = filled(&text);
        assert!(once.starts_with("FROM a\n# --- roles"));
        assert!(once.ends_with(&format!("{END}\nUSER b\n")));
        assert!(!once.contains("old") && once.contains("ARG ROLES=\"web api "), "{once}");
        assert_eq!(filled(&once), once);
    }

    #[test]
    fn an_image_exposes_what_others_than_roles_may_reach_on_ports_that_any_user_may_have() {
        let ports = exposed(ROLES);
        assert!(ports.contains(&2465) && ports.contains(&3000), "{ports:?}");
        assert!(!ports.contains(&3456), "{ports:?}");
        assert!(ports.iter().all(|port| *port >= 1024), "{ports:?}");
    }

    #[test]
    fn a_label_says_where_a_port_is_and_who_may_reach_it() {
        let labels = labels(ROLES);
        let value = |name: &str| labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("berth.port.imap"), Some("2993 public as 993"));
        assert_eq!(value("berth.port.sqlite"), Some("3456 private"));
    }
}
