//! Whether the engine is one that the files can be given to: there, new enough, and on this host.

use super::Finding;

/// Health checks at a quick pace during the start: Engine 25, API 1.44.
const API: (u32, u32) = (1, 44);
const ENGINE: &str = "Docker Engine 25";

/// `env_file` with a format: Compose 2.30.
const COMPOSE: (u32, u32) = (2, 30);

/// What is known of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// There is no program `docker`.
    NoClient,
    /// The client does not reach it, and says this.
    Unreachable(String),
    /// It answers.
    Reached(Reached),
}

/// An engine that answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    pub version: String,
    pub api: String,
    /// Whether it runs without root.
    pub rootless: bool,
    /// The version of Compose; nothing when the client has none.
    pub compose: Option<String>,
}

/// Where the engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// What DOCKER_HOST or the context says.
    pub address: String,
    pub context: String,
    pub host: Whereabouts,
}

/// Whether containers can mount what is on this host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Whereabouts {
    #[default]
    Here,
    /// Reached by a socket of this host, but another kernel or another name: a virtual machine, or a container around us.
    Beside,
    Elsewhere,
}

/// What there is to say of the engine. Nothing else can be asked of one that is refused here.
pub fn judge(engine: &Engine, place: &Place) -> Vec<Finding> {
    let address = match place.context.as_str() {
        "" | "default" => place.address.clone(),
        context => format!("{} (context {context})", place.address),
    };
    match engine {
        Engine::NoClient => vec![Finding::refused(
            "engine",
            "there is no program docker on PATH",
            "install Docker: https://docs.docker.com/engine/install",
        )],
        Engine::Unreachable(said) => {
            vec![Finding::refused("engine", format!("{address}: {said}"), unreachable(said))]
        }
        Engine::Reached(reached) => {
            let mut findings = vec![version(reached, &address), compose(reached)];
            findings.push(whereabouts(place, &address));
            if reached.rootless {
                findings.push(Finding::warning(
                    "rootless",
                    "the engine runs without root: it may not take ports below 1024 by itself",
                    "sysctl net.ipv4.ip_unprivileged_port_start=0, or --port-offset 4000",
                ));
            }
            findings
        }
    }
}

fn unreachable(said: &str) -> &'static str {
    if said.to_lowercase().contains("permission denied") {
        "run berth as root, or as a member of the group docker"
    } else {
        "is it running? systemctl start docker; is it there? docker context ls"
    }
}

fn version(reached: &Reached, address: &str) -> Finding {
    let says = format!("Docker {} at {address}", reached.version);
    if numbers(&reached.api).is_some_and(|api| api < API) {
        let hint = format!("use {ENGINE} or newer: health checks have to be asked often during the start");
        return Finding::refused("engine", says + " is too old", hint);
    }
    Finding::ok("engine", says)
}

fn compose(reached: &Reached) -> Finding {
    let hint = format!("install the Compose plugin, version {}.{} or newer", COMPOSE.0, COMPOSE.1);
    match &reached.compose {
        None => Finding::refused("compose", "the docker client has no Compose", hint),
        Some(version) if numbers(version).is_some_and(|version| version < COMPOSE) => {
            Finding::refused("compose", format!("Compose {version} is too old"), hint)
        }
        Some(version) => Finding::ok("compose", format!("Compose {version}")),
    }
}

fn whereabouts(place: &Place, address: &str) -> Finding {
    match place.host {
        Whereabouts::Here => Finding::ok("place", "the engine is on this host"),
        Whereabouts::Beside => Finding::warning(
            "place",
            "the engine runs beside this system, in a virtual machine or around this container: what containers mount has to be shared with it",
            "share the state folder under the same path; memory, disk, ports and processors of this system were not looked at",
        ),
        Whereabouts::Elsewhere => Finding::refused(
            "place",
            format!(
                "the engine at {address} is on another host, and containers there mount configuration, secrets and certificates that are on this one"
            ),
            "run berth there, or choose another: docker context use default",
        ),
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    let mut number = || parts.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    Some((number()?, number()?))
}

/// Where an engine is, from how it is reached and whether it is the same host by name and kernel.
pub fn whereabouts_of(address: &str, same_host: bool) -> Whereabouts {
    let scheme = address.split("://").next().unwrap_or_default();
    let machine = address.split("://").nth(1).unwrap_or_default();
    let machine = machine.rsplit('@').next().unwrap_or_default();
    let loopback = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| machine.starts_with(name));
    match (scheme, same_host) {
        ("unix" | "npipe", true) => Whereabouts::Here,
        ("unix" | "npipe", false) => Whereabouts::Beside,
        (_, true) if loopback => Whereabouts::Here,
        _ => Whereabouts::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn reached() -> Reached {
        Reached {
            version: "28.5.2".into(),
            api: "1.51".into(),
            rootless: false,
            compose: Some("2.40.3".into()),
        }
    }

    fn place() -> Place {
        Place {
            address: "unix:///run/docker.sock".into(),
            context: "default".into(),
            host: Whereabouts::Here,
        }
    }

    fn verdicts(reached: Reached, place: &Place) -> Vec<(&'static str, Verdict)> {
        let findings = judge(&Engine::Reached(reached), place);
        findings.iter().map(|finding| (finding.about, finding.verdict)).collect()
    }

    #[test]
    fn a_new_engine_on_this_host_is_well() {
        let expected = [("engine", Verdict::Ok), ("compose", Verdict::Ok), ("place", Verdict::Ok)];
        assert_eq!(verdicts(reached(), &place()), expected);
        let findings = judge(&Engine::Reached(reached()), &Place { context: "mail".into(), ..place() });
        assert_eq!(findings[0].says, "Docker 28.5.2 at unix:///run/docker.sock (context mail)");
    }

    #[test]
    fn what_is_too_old_or_missing_is_refused() {
        let old = Reached { version: "24.0.9".into(), api: "1.43".into(), ..reached() };
        assert_eq!(verdicts(old, &place())[0], ("engine", Verdict::Refused));
        for compose in [None, Some("2.26.1"), Some("v2.29.7")] {
            let old = Reached { compose: compose.map(str::to_owned), ..reached() };
            assert_eq!(verdicts(old, &place())[1], ("compose", Verdict::Refused), "{compose:?}");
        }
        for compose in ["2.30.0", "5.0.0-rc.1", "v2.40.3-desktop.1"] {
            let new = Reached { compose: Some(compose.to_owned()), ..reached() };
            assert_eq!(verdicts(new, &place())[1], ("compose", Verdict::Ok), "{compose}");
        }
        assert_eq!(judge(&Engine::NoClient, &Place::default())[0].verdict, Verdict::Refused);
    }

    #[test]
    fn one_that_is_not_reached_is_refused_with_what_may_help() {
        let refused = |said: &str| judge(&Engine::Unreachable(said.to_owned()), &place()).remove(0);
        let closed = refused("Cannot connect to the Docker daemon");
        assert_eq!(closed.says, "unix:///run/docker.sock: Cannot connect to the Docker daemon");
        assert!(closed.hint.unwrap().contains("systemctl start docker"));
        assert!(refused("dial unix: connect: permission denied").hint.unwrap().contains("group docker"));
    }

    #[test]
    fn one_on_another_host_is_refused_with_the_reason() {
        let elsewhere = Place {
            address: "ssh://root@mail.test".into(),
            host: Whereabouts::Elsewhere,
            ..Place::default()
        };
        let findings = judge(&Engine::Reached(reached()), &elsewhere);
        assert_eq!(findings[2].verdict, Verdict::Refused);
        assert!(findings[2].says.contains("ssh://root@mail.test is on another host"), "{}", findings[2].says);
    }

    #[test]
    fn an_engine_is_here_when_it_is_reached_locally_and_is_the_same_host() {
        for (address, same, expected) in [
            ("unix:///var/run/docker.sock", true, Whereabouts::Here),
            ("unix:///home/x/.docker/desktop/docker.sock", false, Whereabouts::Beside),
            ("tcp://127.0.0.1:2375", true, Whereabouts::Here),
            ("tcp://10.0.0.7:2376", true, Whereabouts::Elsewhere),
            ("ssh://me@localhost", true, Whereabouts::Here),
            ("ssh://me@mail.test", true, Whereabouts::Elsewhere),
            ("ssh://me@localhost:2222", false, Whereabouts::Elsewhere),
        ] {
            assert_eq!(whereabouts_of(address, same), expected, "{address}");
        }
    }

    #[test]
    fn ports_below_1024_are_no_matter_of_course_without_root() {
        let rootless = Reached { rootless: true, ..reached() };
        assert_eq!(verdicts(rootless, &place())[3], ("rootless", Verdict::Warning));
    }
}
