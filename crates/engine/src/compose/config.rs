//! What Compose makes of its files: `docker compose config --format json`, as far as it matters here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::time;
use crate::{Instance, plan};

/// A service that has a health check and no word on its times is asked so often and so many times (the engine's own
/// defaults: `docker run --help`).
const INTERVAL: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

/// What the engine gives a container to stop when nobody says so.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A whole project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Config {
    /// Its services, by name.
    pub services: BTreeMap<String, Service>,
    /// The volumes that it keeps its data in, by their names in its files.
    #[serde(default)]
    pub volumes: BTreeMap<String, Value>,
}

/// A service of a project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Its image.
    pub image: Option<String>,
    /// How that is built, if it is.
    pub build: Option<Value>,
    /// What is started in the place of the image's own entrypoint.
    pub entrypoint: Option<Value>,
    depends_on: BTreeMap<String, Dependency>,
    healthcheck: Option<HealthCheck>,
    /// What it publishes.
    pub ports: Vec<Published>,
    mem_limit: Option<Number>,
    mem_reservation: Option<Number>,
    deploy: Deploy,
    stop_grace_period: Option<String>,
    ulimits: BTreeMap<String, Limit>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Dependency {
    required: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct HealthCheck {
    disable: bool,
    interval: Option<String>,
    timeout: Option<String>,
    retries: Option<u32>,
    start_period: Option<String>,
}

/// A port of the host that leads to one of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Published {
    /// The address; all when there is none.
    pub host_ip: Option<String>,
    /// The number in the container.
    pub target: u16,
    #[serde(rename = "published")]
    number: Option<String>,
    protocol: Option<String>,
}

impl Published {
    /// The number on the host; nothing when it is the engine's choice.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        let tcp = self.protocol.as_deref().is_none_or(|protocol| protocol == "tcp");
        self.number.as_deref().filter(|_| tcp)?.parse().ok()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Deploy {
    resources: Resources,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Resources {
    limits: Memory,
    reservations: Memory,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Memory {
    memory: Option<Number>,
}

/// Compose writes large numbers as text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Limit {
    Both(u64),
    Each { hard: u64 },
}

impl Service {
    /// How much memory it may use, in bytes; nothing when there is no limit.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        let either = self.mem_limit.as_ref().or(self.deploy.resources.limits.memory.as_ref());
        either.and_then(Number::value).filter(|limit| *limit > 0)
    }

    /// How much memory it uses at rest, in bytes, where its files say so.
    #[must_use]
    pub fn memory_reserved(&self) -> Option<u64> {
        let either = self.mem_reservation.as_ref().or(self.deploy.resources.reservations.memory.as_ref());
        either.and_then(Number::value).filter(|reserved| *reserved > 0)
    }

    /// How many files it is to be able to hold open.
    #[must_use]
    pub fn open_files(&self) -> Option<u64> {
        self.ulimits.get("nofile").map(|limit| match limit {
            Limit::Both(number) | Limit::Each { hard: number } => *number,
        })
    }

    /// The services that must be healthy before it is started.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.waits_for(true)
    }

    /// The services that it is started after, healthy or not.
    pub fn follows(&self) -> impl Iterator<Item = &str> {
        self.waits_for(false)
    }

    fn waits_for(&self, required: bool) -> impl Iterator<Item = &str> {
        let on = self.depends_on.iter().filter(move |(_, on)| on.required.unwrap_or(true) == required);
        on.map(|(name, _)| name.as_str())
    }

    /// How long its health may take to be good, or to be told as bad.
    fn ready_within(&self) -> Duration {
        let Some(check) = &self.healthcheck else { return INTERVAL };
        let read = |text: &Option<String>| text.as_deref().and_then(time::duration);
        let once = read(&check.interval).unwrap_or(INTERVAL) + read(&check.timeout).unwrap_or(INTERVAL);
        read(&check.start_period).unwrap_or_default() + once * check.retries.unwrap_or(RETRIES)
    }

    fn has_health(&self) -> bool {
        // An image may have a check of its own, which is not said here.
        self.healthcheck.as_ref().is_none_or(|check| !check.disable)
    }
}

impl Config {
    /// What an engine wants to know of each service, what is needed before what needs it.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        let instance = |(name, service): (&String, &Service)| Instance {
            name: name.clone(),
            needs: service.needs().map(ToOwned::to_owned).collect(),
            uses: service
                .follows()
                .filter(|name| self.services.contains_key(*name))
                .map(ToOwned::to_owned)
                .collect(),
            says_ready: service.has_health(),
            ready_within: service.ready_within(),
            stop_within: service.stop_grace_period.as_deref().and_then(time::duration).unwrap_or(STOP_WITHIN),
            ..Instance::default()
        };
        let all: Vec<Instance> = self.services.iter().map(instance).collect();
        let order: Vec<&str> = plan::stop_waves(&all).into_iter().rev().flatten().collect();
        let at = |name: &str| order.iter().position(|other| *other == name);
        let mut sorted = all.clone();
        sorted.sort_by_key(|instance| at(&instance.name));
        sorted
    }

    /// These services, and all that they need.
    #[must_use]
    pub fn with_needs(&self, names: &[String]) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
        while let Some(name) = left.pop() {
            if let Some(service) = self.services.get(name).filter(|_| all.insert(name.to_owned())) {
                left.extend(service.needs());
            }
        }
        all
    }

    /// The images of these services.
    pub fn images<'a>(&'a self, names: impl Fn(&str) -> bool + 'a) -> BTreeSet<&'a str> {
        let chosen = self.services.iter().filter(move |(name, _)| names(name));
        chosen.filter_map(|(_, service)| service.image.as_deref()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Compose 2.40.3 printed it.
    const SAID: &str = include_str!("said/config.json");

    fn said() -> Config {
        serde_json::from_str(SAID).unwrap()
    }

    #[test]
    fn a_service_is_read_with_all_that_counts() {
        let store = &said().services["store"];
        assert_eq!(store.image.as_deref(), Some("berth/tiny:test"));
        assert_eq!((store.memory_limit(), store.memory_reserved()), (Some(64 << 20), None));
        assert_eq!(store.ports[0].number(), Some(18080));
        assert_eq!((store.ports[0].host_ip.as_deref(), store.ports[0].target), (Some("127.0.0.1"), 80));
        assert_eq!(store.open_files(), Some(4096));
        assert_eq!(said().volumes.keys().collect::<Vec<_>>(), ["data"]);
    }

    #[test]
    fn instances_stand_in_the_order_of_needs() {
        let instances = said().instances();
        let names: Vec<_> = instances.iter().map(|instance| instance.name.as_str()).collect();
        assert_eq!(names, ["store", "imap"]);
        assert_eq!(instances[1].needs, ["store"]);
        assert_eq!(instances[0].stop_within, Duration::from_secs(3));
        // The start period, and three times an interval and a timeout.
        assert_eq!(instances[0].ready_within, Duration::from_secs(10 + 3 * (2 + 30)));
    }

    #[test]
    fn only_some_are_wanted_with_what_they_need() {
        let config = said();
        assert_eq!(config.with_needs(&["imap".to_owned()]).len(), 2);
        assert_eq!(config.with_needs(&["store".to_owned()]).len(), 1);
        assert_eq!(config.images(|name| name == "imap").len(), 1);
    }

    #[test]
    fn limits_may_be_numbers_texts_and_under_deploy() {
        let text = r#"{"services": {"a": {"mem_limit": 5, "mem_reservation": "3"},
            "b": {"deploy": {"resources": {"limits": {"memory": "7"}, "reservations": {"memory": "2"}}},
                  "ulimits": {"nofile": 9}, "depends_on": {"a": {"condition": "service_started", "required": false}}}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let (a, b) = (&config.services["a"], &config.services["b"]);
        assert_eq!((a.memory_limit(), a.memory_reserved()), (Some(5), Some(3)));
        assert_eq!((b.memory_limit(), b.memory_reserved(), b.open_files()), (Some(7), Some(2), Some(9)));
        assert_eq!((b.needs().count(), b.follows().count()), (0, 1), "it starts without");
    }
}
