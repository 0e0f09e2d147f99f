use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use berth_role::{Bounds, Check, Exposure, Kind, Memory, Role, Start, Stop, Strength, Upstream};

use crate::order::hard_needs;

/// What is wrong with a list of roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// The name cannot be a container's, a service's and a file's name alike.
    #[error("role name {0:?} is not lower-case words of letters and digits joined by hyphens")]
    Name(&'static str),
    /// Two roles, or two ports, claim the same thing.
    #[error("{first} and {second} both claim {what}")]
    Twice {
        /// What is claimed.
        what: String,
        /// The role that comes first in the list.
        first: &'static str,
        /// The other one; the same name when a role claims it twice.
        second: &'static str,
    },
    /// A need, or what carries on, names a role that is not in the list.
    #[error("{role} needs {on}, which is no role")]
    Unknown {
        /// Who needs it.
        role: &'static str,
        /// What it needs.
        on: &'static str,
    },
    /// A need names a role that others cannot reach.
    #[error("{role} needs {on}, which has no host setting or no port")]
    Unreachable {
        /// Who needs it.
        role: &'static str,
        /// What it needs.
        on: &'static str,
    },
    /// Hard needs that wait for each other.
    #[error("hard needs go round in a circle: {}", .0.join(" -> "))]
    Circle(Vec<&'static str>),
    /// The grace ends before the drain does.
    #[error("{0}: the grace is shorter than the quiet moment and the drain it contains")]
    Grace(&'static str),
    /// Nobody could be connected.
    #[error("{0}: waits for a quiet moment and has no port")]
    Quiet(&'static str),
    /// A role with a port that nobody asks anything, or one without that is asked over its port.
    #[error("{0}: a role has health checks exactly when it has a port")]
    Health(&'static str),
    /// The certificate is checked and no setting says which.
    #[error("{0}: the certificate is checked, but no setting names its file")]
    Certificate(&'static str),
    /// It would be killed at the most that it was seen to take.
    #[error("{0}: its memory limit is below what it was measured to take")]
    Memory(&'static str),
    /// What it keeps would go with its container.
    #[error("{0}: a store has a volume")]
    Volume(&'static str),
    /// It would never be started.
    #[error("{role} needs {on}, which is started last")]
    Last {
        /// Who needs it.
        role: &'static str,
        /// What it needs.
        on: &'static str,
    },
    /// An installation that only forwards could not start it.
    #[error("{role} is there where mail is only forwarded, and needs {on}, which is not")]
    Forwards {
        /// Who needs it.
        role: &'static str,
        /// What it needs.
        on: &'static str,
    },
}

/// Everything that is wrong with a list of roles, all at once.
pub fn check(roles: &[&Role]) -> Result<(), Vec<CatalogueError>> {
    let mut errors = Vec::new();
    errors
        .extend(roles.iter().filter(|role| !is_words(role.name)).map(|role| CatalogueError::Name(role.name)));

    let ports = || roles.iter().flat_map(|role| role.ports.iter().map(|port| (*role, port)));
    twice(&mut errors, "the name", roles.iter().map(|role| (role.name, role.name)));
    twice(&mut errors, "the entrypoint", roles.iter().map(|role| (role.name, role.entrypoint)));
    twice(&mut errors, "port", ports().map(|(role, port)| (role.name, port.number)));
    // Fronted roles share one published number, told apart by host name.
    let public = ports().filter(|(_, port)| port.exposure == Exposure::Public);
    twice(&mut errors, "public port", public.map(|(role, port)| (role.name, port.published)));
    let hosts = roles.iter().filter_map(|role| role.host.map(|host| (role.name, host)));
    let settings = ports().map(|(role, port)| (role.name, port.setting)).chain(hosts);
    twice(&mut errors, "the setting", settings);

    for role in roles {
        errors.extend(role.needs.iter().filter_map(|need| need_error(role, need.on, roles)));
        let unknown = role.hands_to.filter(|on| !roles.iter().any(|other| other.name == *on));
        errors.extend(unknown.map(|on| CatalogueError::Unknown { role: role.name, on }));
        let Stop { quiet, drain, grace, .. } = role.stop;
        if grace < quiet.unwrap_or_default() + drain {
            errors.push(CatalogueError::Grace(role.name));
        }
        if quiet.is_some() && role.ports.is_empty() {
            errors.push(CatalogueError::Quiet(role.name));
        }
        if role.ports.is_empty() != role.health.is_empty() {
            errors.push(CatalogueError::Health(role.name));
        }
        if role.health.contains(&Check::Certificate) && role.certificate.is_none() {
            errors.push(CatalogueError::Certificate(role.name));
        }
        let Memory { application, sample } = role.place.memory;
        if [application, sample].iter().any(|Bounds { peak, limit }| limit < peak) {
            errors.push(CatalogueError::Memory(role.name));
        }
        if role.kind == Kind::Store && role.place.volumes.is_empty() {
            errors.push(CatalogueError::Volume(role.name));
        }
        errors.extend(absent_needs(role, roles));
    }
    errors.extend(circle(roles).map(CatalogueError::Circle));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The form that is a DNS label (RFC 1123 section 2.1), a Compose service and a file name alike.
fn is_words(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(is_word)
}

fn twice<T: Hash + Eq + Copy + ToString>(
    errors: &mut Vec<CatalogueError>,
    what: &str,
    claims: impl Iterator<Item = (&'static str, T)>,
) {
    let mut owners = HashMap::new();
    for (second, claim) in claims {
        match owners.entry(claim) {
            Entry::Vacant(free) => {
                free.insert(second);
            }
            Entry::Occupied(taken) => {
                let what = format!("{what} {}", claim.to_string());
                errors.push(CatalogueError::Twice { what, first: taken.get(), second });
            }
        }
    }
}

fn need_error(role: &Role, on: Upstream, roles: &[&Role]) -> Option<CatalogueError> {
    let Upstream::Role(on) = on else { return None };
    let role = role.name;
    match roles.iter().find(|other| other.name == on) {
        None => Some(CatalogueError::Unknown { role, on }),
        Some(other) if other.host.is_none() || other.ports.is_empty() => {
            Some(CatalogueError::Unreachable { role, on })
        }
        Some(_) => None,
    }
}

/// The roles that it waits for, and that are not there when or where it is.
fn absent_needs(role: &Role, roles: &[&Role]) -> Vec<CatalogueError> {
    let mut errors = Vec::new();
    let needed = role.needed_roles(Strength::Hard);
    for on in needed.filter_map(|name| roles.iter().find(|other| other.name == name)) {
        if on.start == Start::Last && role.start != Start::Last {
            errors.push(CatalogueError::Last { role: role.name, on: on.name });
        }
        if role.forwards && !on.forwards {
            errors.push(CatalogueError::Forwards { role: role.name, on: on.name });
        }
    }
    errors
}

/// The roles of one circle of hard needs, the first one again at its end.
fn circle(roles: &[&Role]) -> Option<Vec<&'static str>> {
    // Take away, again and again, every role whose hard needs are gone; what stays is in or before a circle.
    let mut left = roles.to_vec();
    loop {
        let waits = |role: &&Role| hard_needs(role).any(|need| left.iter().any(|other| other.name == need));
        let waiting: Vec<&Role> = left.iter().copied().filter(|role| waits(role)).collect();
        if waiting.len() == left.len() {
            break;
        }
        left = waiting;
    }
    let mut path = vec![left.first()?.name];
    loop {
        let here = left.iter().find(|role| Some(&role.name) == path.last())?;
        let next = hard_needs(here).find(|need| left.iter().any(|other| other.name == *need))?;
        if let Some(start) = path.iter().position(|name| *name == next) {
            path.drain(..start);
            path.push(next);
            return Some(path);
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ROLES;
    use berth_role::{Hostname, Need, Place, Port, Readiness, Tls, Volume};
    use std::time::Duration;

    const WORKER: Role = Role {
        name: "worker",
        serves: "nobody",
        kind: Kind::Worker,
        entrypoint: "worker.js",
        forwards: true,
        host: None,
        ports: &[],
        needs: &[],
        hands_to: None,
        readiness: Readiness::Message,
        ready_within: Duration::from_secs(1),
        start: Start::WithOthers,
        certificate: None,
        reads: &[],
        health: &[],
        stop: Stop {
            quiet: None,
            drain: Duration::from_secs(1),
            grace: Duration::from_secs(2),
            normal: &[0],
        },
        place: Place {
            hostname: Hostname::Own,
            outside: None,
            volumes: &[],
            memory: Memory { application: Bounds::mebibytes(2, 2), sample: Bounds::mebibytes(1, 2) },
        },
    };
    const SERVER: Role = Role {
        name: "server",
        entrypoint: "server.js",
        host: Some("SERVER_HOST"),
        ports: &[Port {
            name: "echo",
            number: 7007,
            published: 7,
            setting: "SERVER_PORT",
            exposure: Exposure::Public,
            tls: Tls::StartTls,
        }],
        health: &[Check::Tcp],
        ..WORKER
    };

    fn hard(on: &'static str) -> &'static [Need] {
        vec![Need::hard(Upstream::Role(on))].leak()
    }

    fn lazy(on: &'static str) -> &'static [Need] {
        vec![Need::lazy(Upstream::Role(on))].leak()
    }

    fn errors(roles: &[&Role]) -> Vec<String> {
        check(roles).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_list_is_right() {
        assert_eq!(check(ROLES), Ok(()));
        assert_eq!(check(&[&WORKER, &SERVER]), Ok(()));
    }

    #[test]
    fn names_are_words() {
        for name in ["", "Imap", "imap_", "-imap", "imap-", "a--b", "3pop", "mail server"] {
            assert_eq!(check(&[&Role { name, ..WORKER }]), Err(vec![CatalogueError::Name(name)]));
        }
        assert_eq!(check(&[&Role { name: "smtp-2", ..WORKER }]), Ok(()));
    }

    #[test]
    fn a_name_is_claimed_once() {
        assert_eq!(
            errors(&[&WORKER, &Role { entrypoint: "other.js", ..WORKER }]),
            ["worker and worker both claim the name worker"]
        );
    }

    #[test]
    fn ports_settings_and_entrypoints_are_claimed_once() {
        let other = Role { name: "other", ..SERVER };
        assert_eq!(
            errors(&[&SERVER, &other]),
            [
                "server and other both claim the entrypoint server.js",
                "server and other both claim port 7007",
                "server and other both claim public port 7",
                "server and other both claim the setting SERVER_PORT",
                "server and other both claim the setting SERVER_HOST",
            ]
        );
    }

    #[test]
    fn a_role_does_not_claim_its_own_port_twice() {
        let ports: &[Port] = Box::leak(Box::new([SERVER.ports[0], SERVER.ports[0]]));
        assert_eq!(errors(&[&Role { ports, ..SERVER }])[0], "server and server both claim port 7007");
    }

    #[test]
    fn needs_name_roles_that_can_be_reached() {
        let lost = Role { name: "lost", entrypoint: "lost.js", needs: lazy("srever"), ..WORKER };
        let deaf = Role { name: "deaf", entrypoint: "deaf.js", needs: hard("worker"), ..WORKER };
        assert_eq!(
            errors(&[&WORKER, &lost, &deaf]),
            [
                "lost needs srever, which is no role",
                "deaf needs worker, which has no host setting or no port"
            ]
        );
        // What carries on is never asked.
        let hands = |on| Role { name: "hands", entrypoint: "hands.js", hands_to: Some(on), ..WORKER };
        assert_eq!(errors(&[&WORKER, &hands("worker")]), [""; 0]);
        assert_eq!(errors(&[&WORKER, &hands("wroker")]), ["hands needs wroker, which is no role"]);
    }

    #[test]
    fn hard_needs_do_not_go_round() {
        fn server(name: &'static str, needs: &'static [Need]) -> Role {
            Role { name, entrypoint: name, needs, ..WORKER }
        }
        let circle = |roles: &[&Role]| {
            errors(roles).into_iter().filter(|error| error.contains("circle")).collect::<Vec<_>>()
        };
        let before = server("before", hard("one"));
        let one = server("one", hard("two"));
        let two = server("two", hard("one"));
        assert_eq!(
            circle(&[&WORKER, &before, &one, &two]),
            ["hard needs go round in a circle: one -> two -> one"]
        );
        let alone = server("alone", hard("alone"));
        assert_eq!(circle(&[&alone]), ["hard needs go round in a circle: alone -> alone"]);
        let lazy = server("two", lazy("one"));
        assert_eq!(circle(&[&before, &one, &lazy]), Vec::<String>::new());
    }

    #[test]
    fn the_grace_contains_the_quiet_moment_and_the_drain() {
        let stop = Stop { grace: Duration::from_millis(999), ..WORKER.stop };
        assert_eq!(check(&[&Role { stop, ..WORKER }]), Err(vec![CatalogueError::Grace("worker")]));
        let stop = |quiet| Stop { quiet: Some(Duration::from_millis(quiet)), ..SERVER.stop };
        assert_eq!(check(&[&Role { stop: stop(1000), ..SERVER }]), Ok(()));
        assert_eq!(
            check(&[&Role { stop: stop(1001), ..SERVER }]),
            Err(vec![CatalogueError::Grace("server")])
        );
    }

    #[test]
    fn a_quiet_moment_is_waited_for_on_a_port() {
        let stop = Stop { quiet: Some(Duration::from_millis(1)), ..WORKER.stop };
        assert_eq!(check(&[&Role { stop, ..WORKER }]), Err(vec![CatalogueError::Quiet("worker")]));
    }

    #[test]
    fn checks_go_with_a_port_and_a_certificate_with_its_file() {
        assert_eq!(
            check(&[&Role { health: &[Check::Tcp], ..WORKER }]),
            Err(vec![CatalogueError::Health("worker")])
        );
        assert_eq!(check(&[&Role { health: &[], ..SERVER }]), Err(vec![CatalogueError::Health("server")]));
        let unnamed = Role { health: &[Check::Certificate], ..SERVER };
        assert_eq!(check(&[&unnamed]), Err(vec![CatalogueError::Certificate("server")]));
    }

    #[test]
    fn a_limit_is_not_below_what_was_measured() {
        let memory = Memory { sample: Bounds::mebibytes(3, 2), ..WORKER.place.memory };
        let place = Place { memory, ..WORKER.place };
        assert_eq!(check(&[&Role { place, ..WORKER }]), Err(vec![CatalogueError::Memory("worker")]));
    }

    #[test]
    fn a_store_keeps_what_it_stores() {
        let store = Role { kind: Kind::Store, ..WORKER };
        assert_eq!(check(&[&store]), Err(vec![CatalogueError::Volume("worker")]));
        let place = Place { volumes: &[Volume::Mailboxes], ..WORKER.place };
        assert_eq!(check(&[&Role { place, ..store }]), Ok(()));
    }

    #[test]
    fn what_is_needed_is_there_before_and_wherever_the_other_one_is() {
        let needy = Role { needs: hard("server"), ..WORKER };
        let absent = Role { start: Start::Last, forwards: false, ..SERVER };
        assert_eq!(
            errors(&[&needy, &absent]),
            [
                "worker needs server, which is started last",
                "worker is there where mail is only forwarded, and needs server, which is not"
            ]
        );
        let patient = Role { start: Start::Last, forwards: false, ..needy };
        assert_eq!(check(&[&patient, &absent]), Ok(()));
    }
}
