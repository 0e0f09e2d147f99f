//! What the engine says of itself and of its host.

use std::path::Path;
use std::time::{Duration, SystemTime};

use berth_engine::EngineError;
use berth_engine::compose::{Docker, line, time};
use serde::Deserialize;

use super::engine::{Engine, Place, Reached, Whereabouts, whereabouts_of};
use super::here::{self, kernel};
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
    pub name: String,
    pub kernel_version: String,
    pub architecture: String,
    pub mem_total: u64,
    pub swap_limit: bool,
    pub cgroup_version: String,
    pub docker_root_dir: String,
    pub system_time: String,
    pub security_options: Option<Vec<String>>,
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
    pub apart: Option<Duration>,
}

impl Asked {
    /// Whether the engine's host is this one, so that what is measured here counts there.
    pub fn is_here(&self) -> bool {
        self.place.host == Whereabouts::Here
    }

    /// The most open files that the engine can give to a container, at most `wanted`.
    pub fn files_within(&self, wanted: u64) -> u64 {
        if self.is_here() { here::files_allowed().unwrap_or(wanted).min(wanted) } else { wanted }
    }

    /// Whether the engine can have a network with IPv6: from 27 on it has addresses for it, if the kernel speaks it.
    pub fn has_ipv6(&self) -> bool {
        let new = match &self.engine {
            Engine::Reached(reached) => {
                reached.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0) >= 27
            }
            Engine::NoClient | Engine::Unreachable(_) => false,
        };
        new && (!self.is_here() || Path::new("/proc/net/if_inet6").exists())
    }
}

/// Asks the engine what it is and where.
pub fn ask(docker: &Docker) -> anyhow::Result<Asked> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_asking_takes_is_no_distance() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(apart(at(11), at(10), at(12)), Duration::ZERO);
        assert_eq!(apart(at(15), at(10), at(12)), Duration::from_secs(3));
        assert_eq!(apart(at(3), at(10), at(12)), Duration::from_secs(7));
    }
}
