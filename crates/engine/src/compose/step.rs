//! What to do about a project, decided from what is wanted and what is there. Nothing here does anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use super::INIT;
use super::config::Config;
use super::container::{Container, Image};
use super::line::{self, Line, Reach};
use crate::plan::{Action, Why};

/// What is wanted.
#[derive(Debug)]
pub struct Goal<'a> {
    /// The services, in their order.
    pub services: Vec<&'a str>,
    /// The services that are not to be touched are left out, whatever is the matter with them.
    pub alone: Option<&'a [String]>,
    pub config: &'a Config,
    /// A mark of the configuration of each service.
    pub marks: &'a BTreeMap<String, String>,
    /// From which mark each container was made: that, and how Compose has marked the container itself.
    pub made: &'a BTreeMap<String, (String, String)>,
    /// When the files were changed that a program reads once, at its start, and whether it was started again since.
    pub inputs: Option<(SystemTime, bool)>,
    /// How services that no init of ours runs are told to read these files again.
    pub reload: &'a BTreeMap<String, Vec<String>>,
}

/// What is there.
#[derive(Debug, Default)]
pub struct Found {
    pub images: Vec<Image>,
    pub containers: Vec<Container>,
    /// When the files of the project were changed that containers have mounted one by one.
    pub changed: BTreeMap<PathBuf, SystemTime>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An image is fetched.
    Pull(String),
    /// The images of these services are built.
    Build(Vec<String>),
    /// Containers are stopped and removed: for good, or because Compose would not see what has changed.
    Remove(Vec<String>),
    /// What is missing or changed is made and started.
    Up(Reach),
    /// A program is started again by its init.
    Restart(String),
    /// A program is told to read its files again.
    Reload(String, Vec<String>),
}

impl Step {
    /// The command that does it.
    pub fn line(&self) -> Line {
        match self {
            Self::Pull(image) => line::pull(image),
            Self::Build(services) => line::build(services),
            Self::Remove(services) => line::remove(services),
            Self::Up(reach) => line::up(reach),
            Self::Restart(service) => line::exec(service, &[INIT, "restart"]),
            Self::Reload(service, command) => {
                line::exec(service, &command.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
    }
}

/// What is to be done about each service, and how.
pub fn steps(goal: &Goal, found: &Found) -> (Vec<(String, Action)>, Vec<Step>) {
    let differences = differences(goal, found);
    let named = |is: fn(&Action) -> bool| -> Vec<String> {
        differences.iter().filter(|(_, action)| is(action)).map(|(name, _)| name.clone()).collect()
    };
    let mut steps = Vec::new();
    let (build, pull) = missing(goal, &found.images);
    steps.extend(pull.into_iter().map(Step::Pull));
    steps.extend((!build.is_empty()).then_some(Step::Build(build)));
    let unseen = |action: &Action| {
        let only_files = |keys: &[String]| keys.iter().all(|key| key == A_FILE);
        matches!(action, Action::Stop(Why::Changed(keys)) if only_files(keys))
    };
    let known = |name: &String| goal.config.services.contains_key(name);
    let mut remove = named(|action| *action == Action::Stop(Why::Unwanted));
    // Compose removes by itself what its files do not know any more.
    remove.retain(known);
    remove.extend(named(unseen));
    steps.extend((!remove.is_empty()).then_some(Step::Remove(remove)));
    if differences.iter().any(|(_, action)| *action != Action::Keep) {
        steps.push(Step::Up(reach(goal)));
    }
    let kept = differences.iter().filter(|(_, action)| *action == Action::Keep).filter_map(|(name, _)| {
        found
            .containers
            .iter()
            .find(|container| container.service() == name)
            .filter(|it| has_read_others(goal, it))
    });
    steps.extend(kept.filter_map(|container| {
        let name = container.service();
        let reload = || Some(Step::Reload(name.to_owned(), goal.reload.get(name)?.clone()));
        if container.is_run_by(INIT) { Some(Step::Restart(name.to_owned())) } else { reload() }
    }));
    (differences, steps)
}

/// What a changed configuration, image and file are called.
const CONFIGURATION: &str = "configuration";
const IMAGE: &str = "image";
const A_FILE: &str = "file that it reads";

fn reach(goal: &Goal) -> Reach {
    match goal.alone {
        Some(names) => Reach::Alone(names.to_vec()),
        None if goal.config.services.len() == goal.services.len() => Reach::All,
        None => Reach::WithNeeds(goal.services.iter().map(ToString::to_string).collect()),
    }
}

/// Unwanted ones come first, the wanted ones follow in their order.
fn differences(goal: &Goal, found: &Found) -> Vec<(String, Action)> {
    let touched = |name: &str| goal.alone.is_none_or(|alone| alone.iter().any(|other| other == name));
    let of = |name: &str| found.containers.iter().find(|container| container.service() == name);
    let all: BTreeSet<&str> = found.containers.iter().map(Container::service).collect();
    let unwanted = all.into_iter().filter(|name| !goal.services.contains(name) && goal.alone.is_none());
    let stops = unwanted.map(|name| (name.to_owned(), Action::Stop(Why::Unwanted)));
    let wanted = goal.services.iter().filter(|name| touched(name)).map(|name| {
        let action = match of(name) {
            None => Action::Start,
            Some(container) => match changed(goal, found, name, container) {
                keys if !keys.is_empty() => Action::Stop(Why::Changed(keys)),
                // The engine is starting it again, or will.
                _ if container.runs() || !(container.has_ended() || container.started().is_none()) => {
                    Action::Keep
                }
                _ => Action::Start,
            },
        };
        ((*name).to_owned(), action)
    });
    stops.chain(wanted).collect()
}

/// In what a container is not as it is wanted.
fn changed(goal: &Goal, found: &Found, name: &str, container: &Container) -> Vec<String> {
    let image = goal.config.services.get(name).and_then(|service| service.image.as_deref());
    let image = found.images.iter().find(|found| image.is_some_and(|image| found.is_called(image)));
    let newer = |path: &PathBuf| {
        let changed = found.changed.get(path);
        changed.zip(container.created()).is_some_and(|(changed, created)| *changed > created)
    };
    let keys = [
        (CONFIGURATION, !is_made_so(goal, name, container)),
        // One that is not there yet will be another.
        (IMAGE, image.is_none_or(|image| image.id != container.image)),
        (A_FILE, container.binds().any(newer)),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

/// Whether a container was made from the configuration that is wanted, as far as we know.
fn is_made_so(goal: &Goal, name: &str, container: &Container) -> bool {
    let made = goal.made.get(name).filter(|(_, hash)| hash == container.hash());
    made.zip(goal.marks.get(name)).is_some_and(|((made, _), mark)| made == mark)
}

/// Whether a program runs that was started before its files were changed.
fn has_read_others(goal: &Goal, container: &Container) -> bool {
    let since = goal.inputs.filter(|(_, again)| !again).map(|(changed, _)| changed);
    let before = since.zip(container.started()).is_some_and(|(changed, started)| changed > started);
    before && container.runs()
}

/// What is not there: services whose images are built, one for each, and images that are fetched.
fn missing(goal: &Goal, images: &[Image]) -> (Vec<String>, Vec<String>) {
    let (mut build, mut pull) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let touched = |name: &str| goal.alone.is_none_or(|alone| alone.iter().any(|other| other == name));
    for name in goal.services.iter().filter(|name| touched(name)) {
        let Some(service) = goal.config.services.get(*name) else { continue };
        let Some(image) = service.image.as_deref() else { continue };
        if !images.iter().any(|found| found.is_called(image)) && seen.insert(image) {
            if service.build.is_some() {
                build.push((*name).to_owned());
            } else {
                pull.push(image.to_owned());
            }
        }
    }
    (build, pull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::time::time;

    const MADE: &str = "2026-01-01T10:00:00Z";

    fn container(service: &str, status: &str, hash: &str) -> Container {
        let labels = serde_json::json!({"com.docker.compose.service": service, "com.docker.compose.config-hash": hash});
        let value = serde_json::json!({
            "Id": service, "Created": MADE, "Path": "/usr/local/bin/berth-init", "Image": "sha256:1",
            "State": {"Status": status, "StartedAt": if status == "created" { "0001-01-01T00:00:00Z" } else { MADE }},
            "Mounts": [{"Type": "bind", "Source": format!("/c/{service}.conf"), "Destination": "/x"}],
            "Config": {"Image": "mail:1", "Labels": labels}, "HostConfig": {},
        });
        serde_json::from_value(value).unwrap()
    }

    fn image(name: &str, id: &str) -> Image {
        serde_json::from_value(serde_json::json!({"Id": id, "RepoTags": [name]})).unwrap()
    }

    struct Case {
        config: Config,
        marks: BTreeMap<String, String>,
        made: BTreeMap<String, (String, String)>,
        found: Found,
        alone: Option<Vec<String>>,
        inputs: Option<(SystemTime, bool)>,
        reload: BTreeMap<String, Vec<String>>,
        services: Vec<&'static str>,
    }

    impl Case {
        /// Three services that run as they are wanted.
        fn well() -> Self {
            let config = r#"{"services": {"store": {"image": "mail:1"}, "imap": {"image": "mail:1"}, "front": {"image": "mail:1"}}}"#;
            let services = ["store", "imap", "front"];
            Self {
                config: serde_json::from_str(config).unwrap(),
                marks: services.map(|name| (name.to_owned(), "m".to_owned())).into(),
                made: services.map(|name| (name.to_owned(), ("m".to_owned(), "h".to_owned()))).into(),
                found: Found {
                    images: vec![image("mail:1", "sha256:1")],
                    containers: services.map(|name| container(name, "running", "h")).into(),
                    changed: BTreeMap::new(),
                },
                alone: None,
                inputs: None,
                reload: BTreeMap::new(),
                services: services.into(),
            }
        }

        fn lines(&self) -> Vec<String> {
            let goal = Goal {
                services: self.services.clone(),
                alone: self.alone.as_deref(),
                config: &self.config,
                marks: &self.marks,
                made: &self.made,
                inputs: self.inputs,
                reload: &self.reload,
            };
            steps(&goal, &self.found).1.iter().map(|step| step.line().to_string()).collect()
        }
    }

    const UP: &str = "docker compose up --detach --no-build --quiet-pull --remove-orphans";

    #[test]
    fn what_runs_as_it_is_wanted_is_left_alone() {
        assert_eq!(Case::well().lines(), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_stopped_or_made_from_something_else_is_brought_up() {
        let mut case = Case::well();
        case.found.containers.pop();
        assert_eq!(case.lines(), [UP]);
        for status in ["created", "exited"] {
            let mut case = Case::well();
            case.found.containers[1] = container("imap", status, "h");
            assert_eq!(case.lines(), [UP], "{status}");
        }
        let mut case = Case::well();
        case.found.containers[1] = container("imap", "running", "other");
        assert_eq!(case.lines(), [UP]);
        let mut case = Case::well();
        case.marks.insert("imap".to_owned(), "n".to_owned());
        assert_eq!(case.lines(), [UP]);
        let mut case = Case::well();
        case.made.clear();
        assert_eq!(case.lines(), [UP], "Compose knows better");
        let mut case = Case::well();
        case.found.images = vec![image("mail:1", "sha256:2")];
        assert_eq!(case.lines(), [UP]);
        let mut case = Case::well();
        case.found.containers[1] = container("imap", "restarting", "h");
        assert!(case.lines().is_empty(), "the engine is at it");
    }

    #[test]
    fn missing_images_are_fetched_once_or_built_first() {
        let mut case = Case::well();
        case.found.images = Vec::new();
        assert_eq!(case.lines(), ["docker pull mail:1", UP]);
        case.config = serde_json::from_str(
            r#"{"services": {"store": {"image": "mail:1", "build": {"context": "."}}, "imap": {"image": "mail:1", "build": {}},
                             "front": {"image": "front:1"}}}"#,
        )
        .unwrap();
        assert_eq!(case.lines(), ["docker pull front:1", "docker compose build store", UP]);
    }

    #[test]
    fn a_changed_file_that_compose_does_not_look_into_means_another_container() {
        let mut case = Case::well();
        case.found.changed = [("/c/front.conf".into(), time("2026-01-01T11:00:00Z").unwrap())].into();
        assert_eq!(case.lines(), ["docker compose rm --stop --force front", UP]);
        case.found.changed = [("/c/front.conf".into(), time("2026-01-01T09:00:00Z").unwrap())].into();
        assert!(case.lines().is_empty(), "it was changed before");
    }

    #[test]
    fn what_is_not_wanted_goes_and_one_that_is_updated_alone_leaves_the_others() {
        let mut case = Case::well();
        case.services = vec!["store", "imap"];
        let only = "docker compose up --detach --no-build --quiet-pull store imap";
        assert_eq!(case.lines(), ["docker compose rm --stop --force front", only]);
        let mut case = Case::well();
        case.found.containers.push(container("old", "running", "h"));
        assert_eq!(case.lines(), [UP], "Compose knows that it is nobody's any more");
        let mut case = Case::well();
        case.found.containers = vec![container("imap", "running", "x"), container("front", "exited", "x")];
        case.alone = Some(vec!["imap".to_owned()]);
        assert_eq!(case.lines(), ["docker compose up --detach --no-build --quiet-pull --no-deps imap"]);
    }

    #[test]
    fn another_certificate_is_read_by_a_restart_in_place() {
        let mut case = Case::well();
        case.found.containers[0].path = "mongod".to_owned();
        case.inputs = Some((time("2026-01-01T11:00:00Z").unwrap(), false));
        let restart = |name: &str| format!("docker compose exec --no-TTY {name} berth-init restart");
        assert_eq!(case.lines(), [restart("imap"), restart("front")], "the store has no init of ours");
        case.found.containers[2].path = "nginx".to_owned();
        case.reload = [("front".to_owned(), ["nginx", "-s", "reload"].map(str::to_owned).to_vec())].into();
        assert_eq!(case.lines()[1], "docker compose exec --no-TTY front nginx -s reload");
        case.inputs = Some((time("2026-01-01T11:00:00Z").unwrap(), true));
        assert!(case.lines().is_empty(), "they were started again since");
        case.inputs = Some((time("2026-01-01T09:00:00Z").unwrap(), false));
        assert!(case.lines().is_empty(), "they were started after it");
    }
}
