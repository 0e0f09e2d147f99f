//! What was built, for the steps that follow and for whoever reads it. Each platform may be built on a machine of its own,
//! into a folder of its own; pushing joins them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::FOLDER;

const FILE: &str = "notes.json";

/// What was built for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    pub platform: String,
    pub version: String,
    /// The commit that it was built from, of this repository; with a word where that is not all.
    pub commit: String,
    /// The application's folder, as it was named.
    pub app: String,
    /// The commit of the application's, which may be another repository.
    pub application: String,
    /// The images that it was made of, with their digests as far as they are pinned.
    pub bases: BTreeMap<String, String>,
}

impl Built {
    /// The folder of a platform.
    pub fn folder(platform: &str) -> PathBuf {
        Path::new(FOLDER).join(platform.replace('/', "-"))
    }

    pub fn write(&self) -> Result<()> {
        let path = Self::folder(&self.platform).join(FILE);
        fs::write(path, serde_json::to_string_pretty(self)? + "\n").map_err(Into::into)
    }

    /// The folder of each platform that was built.
    pub fn folders() -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(FOLDER)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(entries.into_iter().filter(|path| path.join(FILE).is_file()).collect())
    }

    /// All that is there, which has to be of one version and commit.
    pub fn all() -> Result<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        for folder in Self::folders()? {
            let path = folder.join(FILE);
            let text = fs::read_to_string(&path)?;
            found.push(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
        }
        found.sort_by(|one, other| one.platform.cmp(&other.platform));
        let Some(first) = found.first() else { bail!("nothing was built: cargo xtask release build") };
        for other in &found {
            ensure!(
                (&other.version, &other.commit) == (&first.version, &first.commit),
                "{} is {} of {}, and {} is {} of {}: build both again",
                first.platform,
                first.version,
                first.commit,
                other.platform,
                other.version,
                other.commit
            );
        }
        Ok(found)
    }
}
