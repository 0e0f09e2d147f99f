//! Versions, and which tags of an image one of them moves.

use std::fmt;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

/// A version of the workspace: semver.org 2.0 without build metadata, which a tag of an image cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(nodejs_semver::Version);

impl Version {
    /// `1.2.3`, or `1.2.3-rc.1`.
    pub fn parse(text: &str) -> Result<Self> {
        let read = text.parse::<nodejs_semver::Version>();
        let read = read.with_context(|| format!("{text} is no version such as 1.2.3 or 1.2.3-rc.1"))?;
        let version = Self(read);
        ensure!(!text.contains('+'), "{text} has build metadata, which a tag of an image cannot hold");
        ensure!(version.to_string() == text, "{text} is written {version}");
        Ok(version)
    }

    /// The one version of all crates.
    pub fn of_the_workspace() -> Result<Self> {
        let manifest = fs::read_to_string("Cargo.toml")?;
        let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
        Self::parse(line.context("Cargo.toml has no version")?.trim_matches('"'))
    }

    /// Its own tag.
    pub fn tag(&self) -> String {
        format!("v{self}")
    }

    fn is_stable(&self) -> bool {
        self.0.pre_release().is_empty()
    }

    fn minor(&self) -> (u64, u64) {
        (self.0.major(), self.0.minor())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions among the tags of an image.
pub fn released<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<Version> {
    tags.into_iter().filter_map(|tag| Version::parse(tag.strip_prefix('v')?).ok()).collect()
}

/// The tags that `version` gets, beside those that were `released`: its own; and, if it is stable, `X.Y`, `X` and
/// `latest` where no higher stable version is of the same minor, of the same major, or at all.
pub fn tags(version: &Version, released: &[Version]) -> Vec<String> {
    let mut tags = vec![version.tag()];
    if !version.is_stable() {
        return tags;
    }
    let higher: Vec<_> = released.iter().filter(|other| other.is_stable() && *other > version).collect();
    let (major, minor) = version.minor();
    if !higher.iter().any(|other| other.minor() == (major, minor)) {
        tags.push(format!("{major}.{minor}"));
    }
    if !higher.iter().any(|other| other.minor().0 == major) {
        tags.push(major.to_string());
    }
    if higher.is_empty() {
        tags.push("latest".to_owned());
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_moves_the_tags_of_which_it_is_the_highest() {
        for (version, before, expected) in [
            ("0.1.0", "", "v0.1.0 0.1 0 latest"),
            ("0.1.1", "v0.1.0 0.1 0 latest", "v0.1.1 0.1 0 latest"),
            ("0.2.0", "v0.1.0 v0.1.1", "v0.2.0 0.2 0 latest"),
            ("1.0.0", "v0.1.0 v0.2.0", "v1.0.0 1.0 1 latest"),
            // Again: a run that was cut off is repeated.
            ("1.0.0", "v0.2.0 v1.0.0 latest", "v1.0.0 1.0 1 latest"),
            // Back-ports.
            ("0.2.1", "v0.1.0 v0.2.0 v1.0.0", "v0.2.1 0.2 0"),
            ("0.1.2", "v0.1.1 v0.2.0 v1.0.0", "v0.1.2 0.1"),
            ("1.0.1", "v1.0.0 v1.1.0 v2.0.0", "v1.0.1 1.0"),
            ("1.1.1", "v1.0.1 v1.1.0 v2.0.0", "v1.1.1 1.1 1"),
            ("1.0.0", "v1.0.1", "v1.0.0"),
            // Pre-releases, and what they do not keep from a stable version.
            ("2.0.0-rc.1", "v1.0.0", "v2.0.0-rc.1"),
            ("0.1.0-alpha", "", "v0.1.0-alpha"),
            ("1.0.1", "v1.0.0 v1.1.0-rc.1 v2.0.0-rc.1", "v1.0.1 1.0 1 latest"),
            ("2.0.0", "v1.9.9 v2.0.0-rc.1 v2.0.0-rc.2", "v2.0.0 2.0 2 latest"),
            // Numbers, not letters.
            ("1.10.0", "v1.9.0", "v1.10.0 1.10 1 latest"),
            ("1.9.1", "v1.9.0 v1.10.0", "v1.9.1 1.9"),
            // What is no version counts for nothing.
            ("1.0.0", "nightly sha256-0123 v9 v9.9 9.9.9 vacation", "v1.0.0 1.0 1 latest"),
        ] {
            let released = released(before.split_whitespace());
            let moved = tags(&Version::parse(version).unwrap(), &released).join(" ");
            assert_eq!(moved, expected, "{version} after {before}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "1", "1.2", "v1.2.3", "1.2.3+build", "01.2.3", "1.2.3-", "1.2.3 ", "latest"] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }
}
