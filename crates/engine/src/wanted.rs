//! What is to run, as it is handed to an engine.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is to run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What is to run, in the order in which to start it.
    pub instances: Vec<Instance>,
    /// The addresses at which clients reach the instances' ports.
    pub listen: Vec<IpAddr>,
    /// What only one engine wants to know.
    #[serde(flatten)]
    pub means: Means,
}

/// What instances are made of. An engine takes only its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Means {
    /// Processes of this host: [`crate::Local`].
    Processes(Processes),
    /// Containers of a Compose project: [`crate::Compose`].
    Containers(Containers),
}

/// What processes are made of.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// The program that each instance is: it is given the instance's name.
    pub program: PathBuf,
    /// The application's folder.
    pub app: PathBuf,
    /// The Node that runs the application.
    pub node: PathBuf,
    /// The settings, the same for all.
    pub environment: BTreeMap<String, String>,
    /// Files that an instance reads once, when it starts: one that changed means a restart.
    pub inputs: Vec<PathBuf>,
}

impl fmt::Debug for Processes {
    /// Leaves the settings' values out: there are secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("program", &self.program)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// What containers are made of.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// The name of the Compose project.
    pub project: String,
    /// The project's files, by their paths in its folder: the Compose files, what these mount, and `.env`.
    #[serde(skip)]
    pub files: BTreeMap<PathBuf, String>,
    /// Files that an instance reads once, when it starts, in a folder that it has mounted: one that changed means
    /// that the instance's main process is started again.
    pub inputs: Vec<PathBuf>,
    /// From which configuration each container was made: a mark of ours, and Compose's of the container. The engine's own.
    #[serde(default)]
    pub made: BTreeMap<String, (String, String)>,
    /// How services that no init of ours runs are told to read the inputs again: a command for each.
    #[serde(default)]
    pub reload: BTreeMap<String, Vec<String>>,
    /// When the inputs had been changed that all programs have read; microseconds since 1970. The engine's own.
    #[serde(default)]
    pub loaded: Option<u64>,
    /// The instance in which scripts of the application are run, if it is known to have any.
    pub scripts: Option<String>,
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containers").field("project", &self.project).finish_non_exhaustive()
    }
}

/// One thing that is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name, unique.
    pub name: String,
    /// Where it listens.
    pub ports: Vec<Port>,
    /// The instances that must be ready before it is started.
    pub needs: Vec<String>,
    /// The instances that it can do without for a while; they are stopped after it.
    pub uses: Vec<String>,
    /// Whether it says when it is ready. One that does not counts as ready when it has lived for a while, and
    /// takes none of the places of those that are starting.
    pub says_ready: bool,
    /// How long it may take to get ready.
    pub ready_within: Duration,
    /// How long it may take to stop, all in all; after that it is killed.
    pub stop_within: Duration,
}

/// A port that an instance listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The number that clients outside know it by.
    pub published: u16,
    /// What it is, and the number at which it is reached here.
    #[serde(flatten)]
    pub listening: berth_control::Port,
    /// The address of this host at which it is reached, where that is its own and not that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_wrote_down_is_still_read() {
        let text = r#"{"instances": [], "program": "/b/berth-init", "app": "/a", "node": "/n",
                       "environment": {"WEB_HOST": "a.test"}, "inputs": ["/c"], "listen": ["::1"]}"#;
        let wanted: Wanted = serde_json::from_str(text).unwrap();
        let Means::Processes(processes) = &wanted.means else { panic!("{wanted:?}") };
        assert_eq!(processes.environment["WEB_HOST"], "a.test");
        assert!(!format!("{wanted:?}").contains("a.test"), "no setting is told");
    }

    #[test]
    fn containers_are_told_from_processes() {
        let containers = Containers { project: "mail".into(), ..Containers::default() };
        let wanted = Wanted { instances: vec![], listen: vec![], means: Means::Containers(containers) };
        let text = serde_json::to_string(&wanted).unwrap();
        assert_eq!(serde_json::from_str::<Wanted>(&text).unwrap(), wanted);
    }
}
