//! Measures what the preflight judges: what the service asks of the engine's host, and what is there, on this host where
//! the engine is on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use berth_catalogue::find;
use berth_engine::compose::config::Config;
use berth_engine::compose::{Docker, line};
use berth_engine::{Folder, Wanted, holder};
use berth_render::compose::{VARIABLES, Variable};
use berth_role::Bytes;

use super::asked::Asked;
use super::here;
use super::host::{Clock, Files, Host, PUBLISHED, Published};
use super::memory::{Memory, Takes};
use crate::compose::env::Env;
use crate::{listening, problem};

/// What the service asks of the engine's host.
pub struct Service<'a> {
    pub folder: Option<&'a Folder>,
    pub env: &'a Env,
    pub config: &'a Config,
    pub wanted: &'a Wanted,
    pub sample: bool,
    pub project: &'a str,
    pub other_folder: Option<String>,
    pub old_volumes: Vec<String>,
}

/// Measures the engine's host for a service.
pub fn host(docker: &Docker, asked: &Asked, service: &Service) -> anyhow::Result<Host> {
    let info = &asked.info;
    let here = asked.is_here();
    let read = |path: &str| here.then(|| fs_err::read_to_string(path).ok()).flatten();
    let chosen = |name: &str| service.wanted.instances.iter().any(|instance| instance.name == name);
    let services = service.config.services.iter().filter(|(name, _)| chosen(name));
    let wants_mongodb = service.config.images(chosen).iter().any(|image| is_mongodb(image));
    let files = services.clone().filter_map(|(_, service)| service.open_files()).max();
    let held = docker.ask(&line::publishers()).map_err(problem::of)?;
    let held: Vec<Publisher> = held.lines().filter_map(Publisher::read).collect();
    let ports = ports(&held, asked, service);
    let is_held = ports.iter().any(|port| port.holder.is_some());
    Ok(Host {
        free_offset: is_held.then(|| free_offset(&held, service)).flatten(),
        ports,
        memory: Memory {
            total: info.mem_total,
            swap: read("/proc/meminfo").and_then(|text| here::swap(&text)).unwrap_or(0),
            limits_swap: info.swap_limit,
            services: services
                .filter_map(|(name, it)| Some(takes(name, it.memory_limit()?, service.sample)))
                .collect(),
        },
        disk: here
            .then(|| here::free(&info.docker_root_dir))
            .flatten()
            .map(|free| (info.docker_root_dir.clone(), free)),
        cgroup: info.cgroup_version.clone(),
        files: Files { wanted: files, allowed: here.then(here::files_allowed).flatten() },
        mongodb: read("/proc/cpuinfo")
            .filter(|_| wants_mongodb)
            .and_then(|text| here::mongodb(&text, &info.architecture)),
        clock: Clock { from_engine: asked.apart, behind_files: here::behind_files(service.folder) },
        ipv6: service.env.get("BERTH_IPV6") != Some("false"),
        other_folder: service.other_folder.clone(),
        old_volumes: service.old_volumes.clone(),
        project: service.project.to_owned(),
    })
}

fn takes(name: &str, limit: u64, sample: bool) -> Takes {
    let bounds =
        find(name).map(|role| if sample { role.place.memory.sample } else { role.place.memory.application });
    let peak = bounds.map_or(limit, |bounds| Bytes::number(bounds.peak)).min(limit);
    Takes { name: name.to_owned(), peak, limit }
}

/// MongoDB's own image, whichever registry it comes from.
fn is_mongodb(image: &str) -> bool {
    let name = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    matches!(name.split(':').next(), Some("mongo" | "mongodb" | "mongodb-community-server"))
}

/// The published ports, with whoever holds one that is not ours.
fn ports(held: &[Publisher], asked: &Asked, service: &Service) -> Vec<Published> {
    let mut ports = Vec::new();
    for instance in &service.wanted.instances {
        for published in service.config.services.get(&instance.name).map_or(&[][..], |service| &service.ports)
        {
            let Some(number) = published.number() else { continue };
            let address: Option<IpAddr> = published.host_ip.as_deref().and_then(|ip| ip.parse().ok());
            let addresses = address.map_or(EVERYWHERE.to_vec(), |address| vec![address]);
            let container = held.iter().find(|publisher| publisher.ports.contains(&number));
            let holder = match container {
                Some(publisher) if publisher.project == service.project => None,
                Some(publisher) => Some(format!("container {}", publisher.name)),
                // Who may not take such a port may not know either.
                None if asked.is_here() && holder::is_free(number, &addresses).is_ok_and(|free| !free) => {
                    Some(holder::of(number).map_or("another process".to_owned(), |holder| holder.to_string()))
                }
                None => None,
            };
            let variable = variable(service.env, number);
            ports.push(Published { service: instance.name.clone(), number, holder, variable });
        }
    }
    ports
}

const EVERYWHERE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// The variable that sets a published port.
fn variable(env: &Env, number: u16) -> Option<&'static str> {
    let is_port = |name: &str| name.starts_with(PUBLISHED) || name.starts_with("BERTH_PROXIED_");
    let number = number.to_string();
    let sets = |variable: &&Variable| {
        is_port(&variable.name)
            && env.get(&variable.name).or(variable.default.as_deref()) == Some(number.as_str())
    };
    VARIABLES.iter().find(sets).map(|variable| variable.name.as_str())
}

/// What can be added to the ports' own numbers, so that nobody holds one. Not nothing: whoever has moved them has a reason.
fn free_offset(held: &[Publisher], service: &Service) -> Option<u16> {
    let own = VARIABLES.iter().filter(|variable| variable.name.starts_with(PUBLISHED));
    let own: Vec<u16> = own.filter_map(|variable| variable.default.as_deref()?.parse().ok()).collect();
    let listen = &service.wanted.listen;
    let addresses = if listen.is_empty() { &EVERYWHERE[..] } else { &listen[..] };
    let is_published = |port| held.iter().any(|publisher| publisher.ports.contains(&port));
    listening::free_offset(&own, 0, |port| !is_published(port) && listening::is_free(port, addresses))
}

/// A container that publishes ports.
#[derive(Debug, PartialEq, Eq)]
struct Publisher {
    name: String,
    project: String,
    ports: Vec<u16>,
}

impl Publisher {
    /// Three columns: `mail-mx-1  mail  0.0.0.0:25->2525/tcp, [::]:25->2525/tcp, 0.0.0.0:8000-8002->80-82/tcp`.
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let (name, project, ports) = (columns.next()?, columns.next()?, columns.next()?);
        let range = |part: &str| {
            let (host, _) = part.split_once("->")?;
            let numbers = host.rsplit(':').next()?;
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            Some(first.trim().parse::<u16>().ok()?..=last.trim().parse().ok()?)
        };
        let ports = ports.split(", ").filter_map(range).flatten().collect();
        Some(Self { name: name.to_owned(), project: project.to_owned(), ports })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_read_with_ranges_and_addresses() {
        let line = "mail-mx-1\tmail\t0.0.0.0:25->2525/tcp, [::]:25->2525/tcp, 127.0.0.1:8000-8002->80-82/tcp, 9000/tcp";
        let publisher = Publisher::read(line).unwrap();
        assert_eq!((publisher.name.as_str(), publisher.project.as_str()), ("mail-mx-1", "mail"));
        assert_eq!(publisher.ports, [25, 25, 8000, 8001, 8002]);
        assert!(Publisher::read("web\t\t").unwrap().ports.is_empty());
    }

    #[test]
    fn only_mongodb_itself_needs_its_processor() {
        for (image, is) in [
            ("mongo:8.0.4", true),
            ("docker.io/library/mongo@sha256:77", true),
            ("ghcr.io/ferretdb/ferretdb:2.7.0", false),
            ("berth/mongo-like:1", false),
        ] {
            assert_eq!(is_mongodb(image), is, "{image}");
        }
    }
}
