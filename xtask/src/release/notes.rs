//! What was built, for the steps that follow and for whoever reads it. Each platform may be built on a machine of its own,
//! into a folder of its own; pushing joins them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::version::Version;
use super::{FOLDER, build};

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
    /// Every role of it was started, and healthy.
    #[serde(default)]
    pub booted: bool,
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

    /// All that is there, which has to be of the clone's version and commit: something else would be checked or published
    /// under its name.
    pub fn all() -> Result<Vec<Self>> {
        let (version, commit) = (Version::of_the_workspace()?.to_string(), build::commit(Path::new("."))?);
        let mut found: Vec<Self> = Vec::new();
        for folder in Self::folders()? {
            let path = folder.join(FILE);
            let text = fs::read_to_string(&path)?;
            found.push(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
        }
        ensure!(!found.is_empty(), "nothing was built: cargo xtask release build");
        for built in &found {
            built.ensure_is(&version, &commit)?;
        }
        found.sort_by(|one, other| one.platform.cmp(&other.platform));
        Ok(found)
    }

    fn ensure_is(&self, version: &str, commit: &str) -> Result<()> {
        ensure!(
            (self.version.as_str(), self.commit.as_str()) == (version, commit),
            "what was built for {} is {} of {}, and the clone is {version} of {commit}: cargo xtask release build",
            self.platform,
            self.version,
            self.commit
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_of_another_version_or_commit_is_refused() {
        let built = Built {
            platform: "linux/amd64".to_owned(),
            version: "1.2.3".to_owned(),
            commit: "c0ffee".to_owned(),
            app: "docker/app".to_owned(),
            application: "c0ffee".to_owned(),
            bases: BTreeMap::new(),
            booted: false,
        };
        assert!(built.ensure_is("1.2.3", "c0ffee").is_ok());
        for (version, commit) in [("1.2.4", "c0ffee"), ("1.2.3", "c0ffee-dirty"), ("1.2.3", "decaf")] {
            let refused = built.ensure_is(version, commit).unwrap_err().to_string();
            assert!(refused.contains(&format!("the clone is {version} of {commit}")), "{refused}");
        }
    }
}
