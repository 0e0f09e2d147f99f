//! Measures what the preflight judges: asks the engine, and looks at this host where the engine is on it.

use std::fs::FileType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use berth_catalogue::find;
use berth_engine::compose::config::Config;
use berth_engine::compose::{Docker, line, time};
use berth_engine::{EngineError, Folder, Wanted, holder};
use berth_role::Bytes;
use serde::Deserialize;

use super::engine::{Engine, Place, Reached, Whereabouts, whereabouts_of};
use super::host::{Clock, Host, Memory, Mongodb, Takes};
use crate::compose::env::Env;
use crate::problem;

/// What `docker version` says, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    server: Option<Server>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    version: String,
    api_version: String,
}

/// What `docker info` says, as far as it matters here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    name: String,
    kernel_version: String,
    architecture: String,
    mem_total: u64,
    swap_limit: bool,
    cgroup_version: String,
    docker_root_dir: String,
    system_time: String,
    security_options: Option<Vec<String>>,
}

/// What `docker context inspect` says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: String,
}

/// What was asked of the engine.
#[derive(Debug, Clone)]
pub struct Asked {
    pub engine: Engine,
    pub place: Place,
    pub info: Info,
    /// How far the engine's clock is from ours.
    apart: Option<Duration>,
}

impl Asked {
    /// Whether the engine's host is this one, so that what is measured here counts there.
    pub fn is_here(&self) -> bool {
        self.place.host == Whereabouts::Here
    }
}

/// Asks the engine what it is and where.
pub fn engine(docker: &Docker) -> anyhow::Result<Asked> {
    // Each takes the client some 50 ms of its own, Compose more.
    let (version, info, compose, context) = std::thread::scope(|scope| {
        let info = scope.spawn(|| {
            let before = SystemTime::now();
            let said = docker.answer(&line::info(), "");
            (said, before, SystemTime::now())
        });
        let compose = scope.spawn(|| docker.ask(&line::compose_version()));
        let context = scope.spawn(|| docker.read::<Vec<Context>>(&line::context()));
        let version = docker.answer(&line::version(), "");
        let joined = "asking does not panic";
        (version, info.join().expect(joined), compose.join().expect(joined), context.join().expect(joined))
    });
    let context = context.ok().and_then(|mut all| all.pop());
    let (address, context) =
        context.map(|context| (context.endpoints.docker.host, context.name)).unwrap_or_default();
    let version = match version {
        Err(EngineError::Run { .. }) => {
            return Ok(Asked {
                engine: Engine::NoClient,
                place: Place::default(),
                info: Info::default(),
                apart: None,
            });
        }
        version => version.map_err(problem::of)?,
    };
    let (said, before, after) = info;
    let info =
        said.ok().and_then(|output| serde_json::from_slice::<Info>(&output.stdout).ok()).unwrap_or_default();
    let server = serde_json::from_slice::<Version>(&version.stdout).ok().and_then(|version| version.server);
    let engine = match server {
        Some(server) => Engine::Reached(Reached {
            version: server.version,
            api: server.api_version,
            rootless: info.security_options.iter().flatten().any(|option| option.contains("rootless")),
            compose: compose.ok().map(|version| version.trim().to_owned()),
        }),
        None => Engine::Unreachable(last_line(&version.stderr)),
    };
    let same_host = kernel("hostname") == info.name && kernel("osrelease") == info.kernel_version;
    let place = Place { host: whereabouts_of(&address, same_host), address, context };
    let apart = time(&info.system_time).map(|there| apart(there, before, after));
    Ok(Asked { engine, place, info, apart })
}

fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing").to_owned()
}

/// How far a clock is from ours, which was read before and after it.
fn apart(there: SystemTime, before: SystemTime, after: SystemTime) -> Duration {
    let ahead = there.duration_since(after).unwrap_or_default();
    ahead.max(before.duration_since(there).unwrap_or_default())
}

fn kernel(name: &str) -> String {
    let text = fs_err::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

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
    let files = services.clone().filter_map(|(_, service)| service.open_files()).max().unwrap_or(0);
    Ok(Host {
        ports: ports(docker, asked, service)?,
        memory: Memory {
            total: info.mem_total,
            swap: read("/proc/meminfo").and_then(|text| swap(&text)).unwrap_or(0),
            limits_swap: info.swap_limit,
            services: services
                .filter_map(|(name, it)| Some(takes(name, it.memory_limit()?, service.sample)))
                .collect(),
        },
        disk: here
            .then(|| free(&info.docker_root_dir))
            .flatten()
            .map(|free| (info.docker_root_dir.clone(), free)),
        cgroup: info.cgroup_version.clone(),
        files: (files, if here { files_allowed() } else { None }),
        mongodb: read("/proc/cpuinfo")
            .filter(|_| wants_mongodb)
            .and_then(|text| mongodb(&text, &info.architecture)),
        clock: Clock { from_engine: asked.apart, behind_files: behind_files(service.folder) },
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
fn ports(
    docker: &Docker,
    asked: &Asked,
    service: &Service,
) -> anyhow::Result<Vec<(String, u16, Option<String>)>> {
    let held = docker.ask(&line::publishers()).map_err(problem::of)?;
    let held: Vec<Publisher> = held.lines().filter_map(Publisher::read).collect();
    let everywhere = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let mut ports = Vec::new();
    for instance in &service.wanted.instances {
        for published in service.config.services.get(&instance.name).map_or(&[][..], |service| &service.ports)
        {
            let Some(number) = published.number() else { continue };
            let address: Option<IpAddr> = published.host_ip.as_deref().and_then(|ip| ip.parse().ok());
            let addresses = address.map_or(everywhere.to_vec(), |address| vec![address]);
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
            ports.push((instance.name.clone(), number, holder));
        }
    }
    Ok(ports)
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

/// `SwapTotal` of /proc/meminfo (proc_meminfo(5)), in bytes.
fn swap(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("SwapTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn free(folder: &str) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail * space.f_frsize)
}

/// How many open files an engine of this host may give to a container: what it may have itself, unless it may raise that
/// (CAP_SYS_RESOURCE, setrlimit(2)). Nothing when none is seen.
fn files_allowed() -> Option<u64> {
    let read = |pid: &str, file: &str| fs_err::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let entries = fs_err::read_dir("/proc").ok()?.flatten();
    let engines = entries.filter(|entry| entry.file_type().is_ok_and(|kind| FileType::is_dir(&kind)));
    let engines = engines.filter_map(|entry| entry.file_name().into_string().ok());
    let engines = engines.filter(|pid| read(pid, "comm").is_some_and(|name| name.trim() == "dockerd"));
    engines.filter_map(|pid| may_have(&read(&pid, "limits")?, &read(&pid, "status")?)).min()
}

const CAP_SYS_RESOURCE: u32 = 24;

/// The most that the kernel has for anybody (proc_sys_fs(5), nr_open), where nobody changed it.
const ALL_FILES: u64 = 1 << 20;

fn may_have(limits: &str, status: &str) -> Option<u64> {
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).ok()?;
    if capabilities >> CAP_SYS_RESOURCE & 1 == 1 {
        return Some(ALL_FILES);
    }
    let hard =
        limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(ALL_FILES) } else { hard.parse().ok() }
}

/// The most open files that this host's engine can give, at most `wanted`.
pub fn files_within(asked: &Asked, wanted: u64) -> u64 {
    if asked.is_here() { files_allowed().unwrap_or(wanted).min(wanted) } else { wanted }
}

/// Whether the engine can have a network with IPv6: from 27 on it has addresses for it, if the kernel speaks it.
pub fn has_ipv6(asked: &Asked) -> bool {
    let new = match &asked.engine {
        Engine::Reached(reached) => {
            reached.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0) >= 27
        }
        Engine::NoClient | Engine::Unreachable(_) => false,
    };
    new && (!asked.is_here() || Path::new("/proc/net/if_inet6").exists())
}

/// MongoDB's own words on processors: AVX since 5.0, and ARMv8.2-A, of which DC CVAP (`dcpop`) is a part.
fn mongodb(cpuinfo: &str, architecture: &str) -> Option<Mongodb> {
    let flags = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>())
    };
    match architecture {
        "x86_64" | "amd64" => {
            Some(if flags("flags")?.contains(&"avx") { Mongodb::Runs } else { Mongodb::NoAvx })
        }
        "aarch64" | "arm64" => {
            Some(if flags("Features")?.contains(&"dcpop") { Mongodb::Runs } else { Mongodb::OldArm })
        }
        _ => None,
    }
}

/// By how much this program, or what it wrote, is newer than now.
fn behind_files(folder: Option<&Folder>) -> Option<Duration> {
    let ours = folder
        .into_iter()
        .flat_map(|folder| ["version", "settings.env", "desired.json"].map(|file| folder.path(file)));
    let files = std::env::current_exe().into_iter().chain(ours);
    let newest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    newest.duration_since(SystemTime::now()).ok()
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
    fn an_engine_that_may_raise_limits_has_all() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 20000                files     \n";
        assert_eq!(may_have(limits, "CapEff:\t000001fffeffffff\n"), Some(20000));
        assert_eq!(may_have(limits, "CapEff:\t000001ffffffffff\n"), Some(ALL_FILES));
        assert_eq!(may_have("", "CapEff:\t0\n"), None);
    }

    #[test]
    fn processors_are_told_apart_by_their_flags() {
        let x86 = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2\n";
        let arm = "processor\t: 0\nFeatures\t: fp asimd atomics dcpop asimddp\n";
        assert_eq!(mongodb(x86, "x86_64"), Some(Mongodb::Runs));
        assert_eq!(mongodb(&x86.replace("avx", "xva"), "x86_64"), Some(Mongodb::NoAvx));
        assert_eq!(mongodb(arm, "aarch64"), Some(Mongodb::Runs));
        assert_eq!(mongodb(&arm.replace("dcpop", ""), "aarch64"), Some(Mongodb::OldArm));
        assert_eq!(mongodb("", "riscv64"), None);
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

    #[test]
    fn the_time_that_asking_takes_is_no_distance() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(apart(at(11), at(10), at(12)), Duration::ZERO);
        assert_eq!(apart(at(15), at(10), at(12)), Duration::from_secs(3));
        assert_eq!(apart(at(3), at(10), at(12)), Duration::from_secs(7));
        assert_eq!(swap("MemTotal: 1 kB\nSwapTotal:       2048 kB\n"), Some(2 << 20));
    }
}
