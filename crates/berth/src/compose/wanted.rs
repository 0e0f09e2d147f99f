//! The service as the Compose engine wants it: an instance for each service, with the ports by which clients reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use berth_catalogue::{ROLES, find, start_order};
use berth_control::PortTls;
use berth_engine::compose::config::{Config, Published};
use berth_engine::{Containers, Means, Port, Wanted};
use berth_render::compose::FRONT_HTTPS;
use berth_role::{Exposure, Kind, Readiness, Role, Tls};

use super::env::{Env, PROJECT};

/// The front reads its certificate again when it is told to: an engine takes a signal of its own for the wish for an end.
const RELOAD: [&str; 3] = ["nginx", "-s", "reload"];

/// What an engine is handed, from what Compose makes of the files.
pub fn wanted(
    config: &Config,
    env: &Env,
    files: BTreeMap<PathBuf, String>,
    inputs: Vec<PathBuf>,
    only: &[String],
    sample: bool,
) -> Wanted {
    let chosen = chosen(config, only);
    let mut instances = config.instances();
    instances.retain(|instance| chosen.contains(&instance.name));
    for instance in &mut instances {
        if let Some(role) = find(&instance.name) {
            instance.says_ready = role.readiness == Readiness::Message;
            instance.ports = ports(role, config);
        }
    }
    let needed: BTreeSet<String> = instances.iter().flat_map(|instance| instance.needs.clone()).collect();
    instances.sort_by_key(|instance| place(&instance.name, needed.contains(&instance.name)));
    let keeper =
        ROLES.iter().find(|role| role.kind == Kind::Store && chosen.iter().any(|name| name == role.name));
    let front = front(config).map(|(name, _)| name.to_owned());
    let reload = front.map(|name| (name, RELOAD.map(ToOwned::to_owned).to_vec()));
    Wanted {
        instances,
        listen: env.get("BERTH_BIND").and_then(address).into_iter().collect(),
        means: Means::Containers(Containers {
            project: env.get(PROJECT).unwrap_or_default().to_owned(),
            files,
            inputs,
            reload: reload.into_iter().collect(),
            scripts: keeper.filter(|_| sample).map(|role| role.name.to_owned()),
            ..Containers::default()
        }),
    }
}

/// An address as Compose takes it, an IPv6 one in brackets. Every address of the host is reached by loopback.
fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.trim_matches(['[', ']']).parse().ok()?;
    Some(if address.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address })
}

/// The services that are to run: all, or these with what they need, and what stands before them.
fn chosen(config: &Config, only: &[String]) -> Vec<String> {
    if only.is_empty() {
        return config.services.keys().cloned().collect();
    }
    let mut chosen = config.with_needs(only);
    let fronted = |role: &Role| role.ports.iter().any(|port| port.exposure == Exposure::Fronted);
    if only.iter().filter_map(|name| find(name)).any(fronted) {
        chosen.extend(front(config).map(|(name, _)| name.to_owned()));
    }
    chosen.into_iter().collect()
}

/// What roles need first, then roles in the order in which they are started, then what stands before them.
fn place(name: &str, needed: bool) -> (u8, usize) {
    match start_order(ROLES).iter().position(|role| role.name == name) {
        Some(at) => (1, at),
        None if needed => (0, 0),
        None => (2, 0),
    }
}

/// The service that speaks HTTPS for others, and its port for that.
fn front(config: &Config) -> Option<(&str, &Published)> {
    config.services.iter().filter(|(name, _)| find(name).is_none()).find_map(|(name, service)| {
        let port = service.ports.iter().find(|port| port.target == FRONT_HTTPS)?;
        Some((name.as_str(), port))
    })
}

/// Where clients reach a role: at its own published port, or at the front.
fn ports(role: &Role, config: &Config) -> Vec<Port> {
    let own = config.services.get(role.name).map_or(&[][..], |service| &service.ports);
    let reached = role.ports.iter().filter_map(|port| {
        let inside = port.unprivileged();
        let setting = |key: &str| setting(port, key);
        let (published, tls) = match own.iter().find(|published| published.target == inside) {
            Some(published) => (published, port.resolve(&setting).ok()?.tls.into()),
            None if port.exposure == Exposure::Fronted => (front(config)?.1, PortTls::Implicit),
            None => return None,
        };
        let number = published.number()?;
        let listening = berth_control::Port { name: port.name.to_owned(), number, tls };
        let address = published.host_ip.as_deref().and_then(address);
        Some(Port { published: port.published, listening, address })
    });
    reached.collect()
}

/// What the files tell every role of its port.
fn setting(port: &berth_role::Port, key: &str) -> Option<String> {
    match port.tls {
        _ if key == port.setting => Some(port.unprivileged().to_string()),
        Tls::WhenHttps(protocol) if key == protocol => Some("https".to_owned()),
        _ if key == "NODE_ENV" => Some("production".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = r#"{"services": {
            "bree": {"image": "mail", "depends_on": {"mongodb": {"condition": "service_healthy"}}},
            "front": {"image": "nginx", "ports": [{"target": 8443, "published": "8443", "protocol": "tcp"}]},
            "imap": {"image": "mail", "depends_on": {"sqlite": {"condition": "service_healthy"}},
                     "ports": [{"target": 2993, "published": "1993", "protocol": "tcp"}]},
            "mongodb": {"image": "mongo"},
            "sqlite": {"image": "mail", "depends_on": {"mongodb": {"condition": "service_healthy"}}},
            "web": {"image": "mail", "depends_on": {"mongodb": {"condition": "service_healthy"}}}}}"#;
        serde_json::from_str(text).unwrap()
    }

    fn of(only: &[&str], env: &str, sample: bool) -> Wanted {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        wanted(&config(), &Env::read(env), BTreeMap::new(), Vec::new(), &only, sample)
    }

    const ENV: &str = "COMPOSE_PROJECT_NAME=mail\nBERTH_PORT_HTTPS=8443\nBERTH_BIND=[::1]\n";

    fn names(wanted: &Wanted) -> Vec<&str> {
        wanted.instances.iter().map(|instance| instance.name.as_str()).collect()
    }

    #[test]
    fn stores_stand_before_roles_and_the_front_after_them() {
        let wanted = of(&[], ENV, true);
        assert_eq!(names(&wanted), ["mongodb", "sqlite", "imap", "web", "bree", "front"]);
        let Means::Containers(containers) = &wanted.means else { panic!("{wanted:?}") };
        assert_eq!((containers.project.as_str(), containers.scripts.as_deref()), ("mail", Some("sqlite")));
        assert_eq!(containers.reload["front"], RELOAD);
        assert_eq!(wanted.listen, ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_port_has_the_address_that_it_is_published_at() {
        let mut config = config();
        config.services.remove("front");
        let web = r#"{"ports": [{"target": 3000, "published": "3000", "host_ip": "127.0.0.1", "protocol": "tcp"}]}"#;
        config.services.insert("web".to_owned(), serde_json::from_str(web).unwrap());
        let env = Env::read("BERTH_BIND=192.0.2.1\n");
        let wanted = wanted(&config, &env, BTreeMap::new(), Vec::new(), &["web".to_owned()], false);
        let web = &wanted.instances.iter().find(|instance| instance.name == "web").unwrap().ports[0];
        assert_eq!((web.listening.number, web.address), (3000, Some(Ipv4Addr::LOCALHOST.into())));
        assert_eq!(wanted.listen, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn roles_are_reached_at_their_own_port_or_at_the_front() {
        let wanted = of(&[], ENV, false);
        let port = |name: &str| {
            let instance = wanted.instances.iter().find(|instance| instance.name == name).unwrap();
            instance.ports.iter().map(|port| (port.listening.number, port.listening.tls)).collect::<Vec<_>>()
        };
        assert_eq!(port("imap"), [(1993, PortTls::Implicit)]);
        assert_eq!(port("web"), [(8443, PortTls::Implicit)]);
        assert_eq!(port("sqlite"), [], "nobody outside reaches it");
        let Means::Containers(containers) = &wanted.means else { panic!("{wanted:?}") };
        assert_eq!(containers.scripts, None, "of another application nothing is known");
    }

    #[test]
    fn only_some_come_with_what_they_need_and_pages_with_the_front() {
        assert_eq!(names(&of(&["imap"], ENV, true)), ["mongodb", "sqlite", "imap"]);
        assert_eq!(names(&of(&["web"], ENV, true)), ["mongodb", "web", "front"]);
        let scripts = |wanted: Wanted| match wanted.means {
            Means::Containers(containers) => containers.scripts,
            means @ Means::Processes(_) => panic!("{means:?}"),
        };
        assert_eq!(scripts(of(&["web"], ENV, true)), None, "no account is made where no mailbox is kept");
    }

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        assert_eq!(of(&[], "BERTH_BIND=0.0.0.0\n", true).listen, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
        assert!(of(&[], "", true).listen.is_empty());
    }
}
