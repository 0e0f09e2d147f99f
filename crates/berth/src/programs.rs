//! The programs of an installation: kept with it, so that a later `up` need not be told again.

use std::path::{Path, PathBuf};

use anyhow::Context;
use berth_engine::Folder;
use berth_engine::compose::line::quoted;
use serde::{Deserialize, Serialize};

use crate::arguments::Up;
use crate::places;

const FILE: &str = "programs.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    pub app: PathBuf,
    pub node: PathBuf,
    pub init: PathBuf,
}

impl Programs {
    /// Those of the last `up` that came so far; nothing when there was none.
    pub fn kept(folder: &Folder) -> anyhow::Result<Option<Self>> {
        let text = folder.read(FILE)?;
        let kept = text.map(|text| serde_json::from_str(&text)).transpose();
        kept.with_context(|| format!("{FILE} in the state folder cannot be read"))
    }

    /// What is asked for, else what it was, else what is found. A Node and a berth-init that are not where they were any
    /// more are looked for as at first; the application's folder is not, for it is what the installation is about.
    pub fn find(arguments: &Up, kept: Option<&Self>) -> anyhow::Result<Self> {
        let there = |path: &Path| path.is_file().then(|| path.to_owned());
        let app = arguments.app.clone().or_else(|| Some(kept?.app.clone()));
        let node = arguments.node.clone().or_else(|| there(&kept?.node));
        let init = arguments.init.clone().or_else(|| there(&kept?.init));
        Ok(Self {
            app: places::app(app.as_deref())?,
            node: places::node(node.as_deref())?,
            init: places::init(init.as_deref())?,
        })
    }

    /// Written down when the roles have got ready with them, so that a slip is not repeated.
    pub fn keep(&self, folder: &Folder) -> anyhow::Result<()> {
        Ok(folder.write(FILE, &serde_json::to_vec_pretty(self)?)?)
    }

    /// The flags by which these are chosen and not the others; nothing when they are the same.
    pub fn flags(&self, others: &Self) -> Option<String> {
        let all = [
            ("--app", &self.app, &others.app),
            ("--node", &self.node, &others.node),
            ("--init", &self.init, &others.init),
        ];
        let differ = all.into_iter().filter(|(_, own, other)| own != other);
        let flags: Vec<String> =
            differ.map(|(flag, own, _)| format!("{flag} {}", quoted(&own.to_string_lossy()))).collect();
        (!flags.is_empty()).then(|| flags.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_has_to_be_named_to_go_back() {
        let one = Programs { app: "/app".into(), node: "/24/node".into(), init: "/init".into() };
        let other = Programs { node: "/20/node".into(), ..one.clone() };
        assert_eq!(one.flags(&other).as_deref(), Some("--node /24/node"));
        assert_eq!(one.flags(&one), None);
    }
}
