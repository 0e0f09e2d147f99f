//! How containers are: `docker container inspect`, as far as it matters here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use berth_control::Verdict;
use serde::Deserialize;

use super::time::time;
use crate::{Instance, Seen, State};

/// The engine keeps so many answers of a health check.
const ANSWERS_KEPT: usize = 5;

/// A container of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    pub id: String,
    created: String,
    /// The program that is PID 1.
    pub path: String,
    state: Standing,
    /// The id of the image.
    pub image: String,
    #[serde(default)]
    restart_count: u32,
    #[serde(default)]
    mounts: Vec<Mount>,
    config: Made,
    host_config: Host,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Standing {
    status: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    exit_code: i64,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
    #[serde(default)]
    health: Option<Health>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
    #[serde(default)]
    log: Option<Vec<Answer>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    end: String,
    exit_code: i64,
    output: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    source: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    image: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Host {
    #[serde(default)]
    memory: u64,
    #[serde(default)]
    init: Option<bool>,
}

impl Container {
    fn label(&self, key: &str) -> &str {
        let labels = self.config.labels.as_ref();
        labels.and_then(|labels| labels.get(&format!("com.docker.compose.{key}"))).map_or("", String::as_str)
    }

    /// The service that it is of.
    pub fn service(&self) -> &str {
        self.label("service")
    }

    /// What Compose says of the configuration that it was made from.
    pub fn hash(&self) -> &str {
        self.label("config-hash")
    }

    /// The folder of the project that it was made for.
    pub fn folder(&self) -> &str {
        self.label("project.working_dir")
    }

    /// It is one that was made beside a service's own, as `docker compose run` does.
    pub fn is_extra(&self) -> bool {
        self.label("oneoff") == "True"
    }

    /// When it was made.
    pub fn created(&self) -> Option<SystemTime> {
        time(&self.created)
    }

    /// When its PID 1 was started the last time.
    pub fn started(&self) -> Option<SystemTime> {
        time(&self.state.started_at)
    }

    pub fn runs(&self) -> bool {
        self.state.status == "running"
    }

    /// It is not to run again, unless somebody wants it to.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.status.as_str(), "exited" | "dead")
    }

    pub fn restarts(&self) -> u32 {
        self.restart_count
    }

    /// The process that is its PID 1, by its number on the engine's host.
    pub fn pid(&self) -> Option<u32> {
        Some(self.state.pid).filter(|pid| *pid > 0)
    }

    /// Whether PID 1 is an init, and the service's program its child.
    pub fn has_init(&self, init: &str) -> bool {
        self.host_config.init == Some(true) || self.is_run_by(init)
    }

    /// Whether PID 1 is this program.
    pub fn is_run_by(&self, init: &str) -> bool {
        self.path.rsplit('/').next() == Some(init)
    }

    /// The files and folders of the host that it has mounted.
    pub fn binds(&self) -> impl Iterator<Item = &PathBuf> {
        self.mounts.iter().filter(|mount| mount.kind == "bind").map(|mount| &mount.source)
    }

    /// How it ended, when it has: a part of a sentence.
    pub fn end(&self) -> Option<String> {
        let ended = matches!(self.state.status.as_str(), "exited" | "dead" | "restarting");
        ended.then(|| match (self.state.oom_killed, self.state.error.as_str()) {
            (true, _) => over_its_limit(self.host_config.memory),
            (false, "") => ended_with(&self.state.exit_code.to_string()),
            (false, error) => format!("could not be started: {error}"),
        })
    }

    pub fn memory_limit(&self) -> Option<u64> {
        Some(self.host_config.memory).filter(|limit| *limit > 0)
    }

    /// What its last health check said.
    pub fn said(&self) -> Option<&str> {
        let last = self.state.health.as_ref()?.log.as_ref()?.last()?;
        Some(last.output.trim()).filter(|output| !output.is_empty())
    }

    /// From its start until its health check was good for the first time, as far as the answers that are kept reach
    /// back.
    fn healthy_after(&self) -> Option<Duration> {
        let answers = self.state.health.as_ref()?.log.as_ref()?;
        let first = answers.iter().position(|answer| answer.exit_code == 0)?;
        if first == 0 && answers.len() >= ANSWERS_KEPT {
            return None;
        }
        time(&answers[first].end)?.duration_since(self.started()?).ok()
    }

    /// What it is doing, and since when.
    fn state(&self) -> (State, &str) {
        let (started, finished) = (self.state.started_at.as_str(), self.state.finished_at.as_str());
        let health = self.state.health.as_ref().map(|health| health.status.as_str());
        match (self.state.status.as_str(), health) {
            ("running", Some("healthy")) => (State::Healthy, started),
            ("running", Some("unhealthy")) => (State::Unhealthy, started),
            ("running", None | Some("none")) => (State::Running, started),
            ("running", Some(_)) => (State::Is(berth_control::State::Starting), started),
            // Compose starts it as soon as what it needs is healthy.
            ("created", _) => (State::Is(berth_control::State::Waiting), self.created.as_str()),
            // The engine starts it again after a pause that grows with each time.
            ("restarting", _) => (State::Is(berth_control::State::Restarting), finished),
            ("exited" | "dead", _) => (State::Is(berth_control::State::Ended), finished),
            ("removing", _) => (State::Is(berth_control::State::Draining), finished),
            _ => (State::Silent, started),
        }
    }

    /// How the instance is that it was made for.
    pub fn seen(&self, instance: &Instance, now: SystemTime) -> Seen {
        let (state, since) = self.state();
        let ms = |duration: Duration| duration.as_millis().try_into().ok();
        Seen {
            for_ms: time(since).and_then(|since| ms(now.duration_since(since).unwrap_or_default())),
            ready_after_ms: self.healthy_after().and_then(ms),
            restarts: self.restart_count,
            memory_limit: self.memory_limit(),
            // What it said while it lived is no longer so.
            health: self.end().or_else(|| self.said().map(ToOwned::to_owned)),
            image: Some(self.config.image.clone()),
            ..Seen::new(instance, state)
        }
    }
}

/// What an end with a code is called; where the code alone tells what it means, with the word that berth-init has for it.
pub fn ended_with(code: &str) -> String {
    match code.parse().map_or(Verdict::Exited, Verdict::of_node) {
        Verdict::Exited | Verdict::Failed => format!("ended with code {code}"),
        verdict => format!("ended with code {code} ({verdict})"),
    }
}

/// What an end by the kernel is called.
pub fn over_its_limit(limit: u64) -> String {
    match limit {
        0 => "was killed because the host had no memory left".to_owned(),
        limit => format!("was killed because it used more memory than its limit of {} MB", limit / 1_000_000),
    }
}

/// An image that is there: `docker image inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Its id.
    pub id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    config: Option<ImageMade>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageMade {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
}

impl Image {
    /// Whether this is what a reference means.
    #[must_use]
    pub fn is_called(&self, reference: &str) -> bool {
        // A tag beside a digest is no more than a comment.
        let bare = match reference.split_once('@') {
            Some((name, digest)) => format!("{}@{digest}", without_tag(name)),
            None if without_tag(reference) == reference => format!("{reference}:latest"),
            None => reference.to_owned(),
        };
        let names = self.repo_tags.iter().chain(&self.repo_digests).flatten();
        let mut names = names.map(String::as_str).chain([self.id.as_str()]);
        // Docker's own registry, and its own images there, go by short names.
        let short = bare.strip_prefix("docker.io/").unwrap_or(&bare);
        let short = short.strip_prefix("library/").unwrap_or(short);
        names.any(|name| name == bare || name == short || name == reference)
    }

    /// The digest under which a registry has it by this name, whatever the tag; nothing for one that was built here.
    #[must_use]
    pub fn digest(&self, reference: &str) -> Option<&str> {
        let name = without_tag(reference.split('@').next().unwrap_or(reference));
        let digests = self.repo_digests.iter().flatten().filter_map(|known| known.split_once('@'));
        digests.filter(|(known, _)| *known == name).map(|(_, digest)| digest).next()
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// What its containers start, before the words of their command; nothing when it has none.
    #[must_use]
    pub fn entrypoint(&self) -> &[String] {
        self.config.as_ref().and_then(|made| made.entrypoint.as_deref()).unwrap_or_default()
    }
}

/// A port of a registry is no tag: a tag has no slash behind it.
fn without_tag(name: &str) -> &str {
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_control::State as Doing;

    /// As Docker 28.5.2 printed it, less what is not read.
    const SAID: &str = include_str!("said/inspect.json");

    fn all() -> Vec<Container> {
        serde_json::from_str(SAID).unwrap()
    }

    fn find(service: &str) -> Container {
        all().into_iter().find(|container| container.service() == service).unwrap()
    }

    fn seen(service: &str) -> Seen {
        let instance = Instance { name: service.to_owned(), ..Instance::default() };
        find(service).seen(&instance, time("2026-11-28T10:08:05Z").unwrap())
    }

    #[test]
    fn states_are_those_of_health_where_there_is_a_check() {
        let states: Vec<_> = ["store", "imap", "bad", "late", "young", "plain", "over"]
            .map(|service| seen(service).state)
            .into();
        let expected = [
            State::Healthy,
            State::Unhealthy,
            State::Is(Doing::Restarting),
            State::Is(Doing::Waiting),
            State::Is(Doing::Starting),
            State::Running,
            State::Is(Doing::Ended),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn reasons_times_and_limits_are_told() {
        let store = seen("store");
        assert_eq!((store.for_ms, store.ready_after_ms), (Some(9223), Some(1418)));
        assert_eq!((store.memory_limit, store.health.as_deref()), (Some(64 << 20), Some("checked")));
        assert_eq!(store.image.as_deref(), Some("berth/tiny:test"));
        let imap = seen("imap");
        assert_eq!(imap.health.as_deref(), Some("unhealthy in 12 ms: no greeting"));
        assert_eq!(imap.ready_after_ms, None, "it was never healthy");
        assert_eq!(seen("plain").ready_after_ms, None);
        // Good from the first answer on; and when more have been given than are kept, nobody knows.
        let kept = |answers: usize| {
            let mut store = find("store");
            let log = store.state.health.as_mut().unwrap().log.as_mut().unwrap();
            let good = log.pop().unwrap();
            *log = vec![good; answers];
            store.healthy_after().map(|after| after.as_millis())
        };
        assert_eq!((kept(1), kept(ANSWERS_KEPT)), (Some(1418), None));
        assert_eq!(seen("bad").restarts, 5);
    }

    #[test]
    fn how_one_ended_is_told_with_the_reason() {
        assert_eq!(find("store").end(), None);
        assert_eq!(find("bad").end().unwrap(), "ended with code 3");
        assert_eq!(
            find("over").end().unwrap(),
            "was killed because it used more memory than its limit of 67 MB"
        );
    }

    #[test]
    fn what_is_mounted_from_the_host_is_known() {
        let imap = find("imap");
        assert_eq!(imap.binds().collect::<Vec<_>>(), [&PathBuf::from("/srv/mail/compose/secrets/A")]);
        assert!(imap.has_init("berth-init") && !find("store").has_init("berth-init"));
        assert_eq!(find("store").binds().count(), 1, "a volume is no file of the host");
    }

    #[test]
    fn an_image_is_known_by_each_of_its_names() {
        let image: Image = serde_json::from_str(
            r#"{"Id": "sha256:1c09", "RepoTags": ["a.test:5000/x:1", "redis:latest"], "RepoDigests": ["redis@sha256:77"],
                "Config": {"Labels": {"k": "v"}, "Entrypoint": ["docker-entrypoint.sh"]}}"#,
        )
        .unwrap();
        for name in [
            "a.test:5000/x:1",
            "redis",
            "redis:latest",
            "docker.io/library/redis",
            "library/redis:latest",
            "redis:7@sha256:77",
            "redis@sha256:77",
            "sha256:1c09",
        ] {
            assert!(image.is_called(name), "{name}");
        }
        for name in ["a.test:5000/x", "redis:7", "redis@sha256:78"] {
            assert!(!image.is_called(name), "{name}");
        }
        assert_eq!(
            (image.label("k"), image.entrypoint()),
            (Some("v"), ["docker-entrypoint.sh".to_owned()].as_slice())
        );
    }
}
