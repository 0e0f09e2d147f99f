//! What of an application decides how its image is built.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use nodejs_semver::{Range, Version};
use serde_json::Value;

use crate::docker::Bases;
use crate::run::{ask, program, say};

/// The long-term releases of Node, the one that berth is tested with first, then the newest first.
const RELEASES: [u64; 5] = [24, 26, 22, 20, 18];

/// Those that get no more corrections.
const PAST: [u64; 2] = [20, 18];

/// What the layers are made by, but for the application's own files and berth-init: an image that differs in these alone
/// shares all that it can with the one before.
const RECIPE: [&str; 4] =
    ["docker/Dockerfile", "docker/Dockerfile.dockerignore", "docker/recipe", "docker/bases.json"];
const PACKAGES: [&str; 6] =
    ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs", "patches"];

/// The package that docker/app is.
const SAMPLE: &str = "postbox";

/// The first second of 1980, which every archive can say (ZIP begins there).
const NO_TIME: u64 = 315_532_800;

pub struct Application {
    /// The last part of its package's name.
    pub name: String,
    pub node: Node,
    /// Whether packages of it have to be compiled, or may have to.
    pub compiles: bool,
    /// The time that the image is said to be of, in seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH).
    pub epoch: u64,
    folder: PathBuf,
    manifest: Value,
}

/// A release of Node, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Release(u64),
    Version(String),
}

impl Application {
    pub fn read(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join("package.json"))
            .with_context(|| format!("{} is no application", folder.display()))?;
        let manifest: Value = serde_json::from_str(&text).context("cannot read package.json")?;
        let file = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let (lock, workspace) = (file("pnpm-lock.yaml"), file("pnpm-workspace.yaml"));
        ensure!(!lock.is_empty(), "{} has no pnpm-lock.yaml", folder.display());
        let name = manifest["name"].as_str().unwrap_or("application");
        Ok(Self {
            name: name.rsplit('/').next().unwrap_or(name).to_lowercase(),
            node: Node::asked_for(manifest["engines"]["node"].as_str())?,
            compiles: compiles(&manifest, &lock, &workspace),
            epoch: epoch(folder)?,
            folder: folder.to_owned(),
            manifest,
        })
    }

    /// Labels that say what an image of it is (OCI image specification 1.1, annotations).
    pub fn labels(&self, base: &str) -> Vec<(String, String)> {
        let field = |name: &str| self.manifest[name].as_str().map(str::to_owned);
        let repository = &self.manifest["repository"];
        let source = repository.as_str().or_else(|| repository["url"].as_str());
        let source = source.map(|url| url.trim_start_matches("git+").trim_end_matches(".git").to_owned());
        let (base, digest) = base.split_once('@').map_or((base, None), |(name, digest)| (name, Some(digest)));
        let known = [
            ("title", field("name")),
            ("description", field("description")),
            ("version", field("version")),
            ("licenses", field("license")),
            ("source", source),
            ("revision", self.revision()),
            (
                "created",
                self.git(&["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd", "."]),
            ),
            ("base.name", Some(base.to_owned())),
            ("base.digest", digest.map(str::to_owned)),
        ];
        let label = |(name, value): (&str, Option<String>)| {
            Some((format!("org.opencontainers.image.{name}"), value.filter(|value| !value.is_empty())?))
        };
        let own = ("berth.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        // By this `berth up` knows that it needs the sample's settings, and that accounts can be made.
        let sample = (self.name == SAMPLE).then(|| ("berth.sample".to_owned(), SAMPLE.to_owned()));
        known.into_iter().filter_map(label).chain([own]).chain(sample).collect()
    }

    /// The commit, with a word where it is not all.
    fn revision(&self) -> Option<String> {
        let commit = self.git(&["rev-parse", "HEAD"])?;
        let is_whole =
            self.git(&["status", "--porcelain", "--", "."]).is_some_and(|changes| changes.is_empty());
        Some(if is_whole { commit } else { format!("{commit}-dirty") })
    }

    fn git(&self, words: &[&str]) -> Option<String> {
        git(&self.folder, words)
    }
}

fn git(folder: &Path, words: &[&str]) -> Option<String> {
    let mut git = program("git");
    git.env("TZ", "UTC").arg("-C").arg(folder).args(words);
    ask(&mut git).map(|told| told.trim().to_owned())
}

/// The time of the last commit that changed what the layers are made by; SOURCE_DATE_EPOCH wins.
fn epoch(folder: &Path) -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().context("SOURCE_DATE_EPOCH is a number of seconds");
    }
    if git(folder, &["rev-parse", "--is-shallow-repository"]).is_some_and(|shallow| shallow == "true") {
        say(
            "note: this clone lacks its history, so the image is not the one of a whole clone, byte for byte",
        );
    }
    let last = |folder: &Path, paths: &[&str]| {
        let words = [&["log", "-1", "--format=%ct", "--"][..], paths].concat();
        git(folder, &words).and_then(|time| time.parse().ok())
    };
    Ok(last(Path::new("."), &RECIPE).max(last(folder, &PACKAGES)).unwrap_or(NO_TIME))
}

impl Node {
    /// The one that `engines` of package.json asks for: that very version, or the first release that has one.
    fn asked_for(engines: Option<&str>) -> Result<Self> {
        let Some(engines) = engines else { return Ok(Self::Release(RELEASES[0])) };
        let node = if let Ok(version) = engines.trim().parse::<Version>() {
            Self::Version(version.to_string())
        } else {
            let asked: Range =
                engines.parse().with_context(|| format!("engines.node is no range: {engines}"))?;
            let has = |release: &u64| {
                format!("^{release}").parse().is_ok_and(|range: Range| range.allows_any(&asked))
            };
            let release = RELEASES.into_iter().find(has);
            Self::Release(release.with_context(|| format!("no long-term release of Node is in {engines}"))?)
        };
        if PAST.contains(&node.release()) {
            say(&format!(
                "warning: the application asks for Node {engines}, which gets no more corrections; \
                 --build-arg NODE_IMAGE=… takes another"
            ));
        }
        Ok(node)
    }

    fn release(&self) -> u64 {
        match self {
            Self::Release(release) => *release,
            Self::Version(version) => {
                version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
            }
        }
    }

    /// The image that has it: the listed one of that name, if it is of the same release.
    pub fn image(&self, bases: &Bases, name: &str, kind: &str) -> Result<String> {
        let listed = bases.reference(name).with_context(|| format!("there is no base image {name}"))?;
        Ok(match self {
            Self::Release(release) if listed.contains(&format!(":{release}-")) => listed,
            Self::Release(release) => format!("node:{release}-bookworm{kind}"),
            Self::Version(version) => format!("node:{version}-bookworm{kind}"),
        })
    }
}

/// Whether installing its packages may compile something: what pnpm runs, or might.
fn compiles(manifest: &Value, lock: &str, workspace: &str) -> bool {
    let allowed = manifest["pnpm"]["onlyBuiltDependencies"].as_array().is_some_and(|list| !list.is_empty());
    let in_workspace = workspace.lines().any(|line| {
        let setting =
            line.strip_prefix("onlyBuiltDependencies:").or_else(|| line.strip_prefix("allowBuilds:"));
        setting.is_some_and(|rest| !matches!(rest.trim(), "[]" | "{}"))
    });
    if allowed || in_workspace || lock.lines().any(|line| line.trim() == "requiresBuild: true") {
        return true;
    }
    let manager = manifest["packageManager"].as_str().unwrap_or_default();
    let major =
        manager.strip_prefix("pnpm@").and_then(|version| version.split('.').next()?.parse::<u64>().ok());
    // pnpm runs all scripts before 10, and only those that are allowed since. The lock file says which packages have some
    // up to format 6.
    let says = lock.lines().any(|line| line.starts_with("lockfileVersion:") && !line.contains('9'));
    !says && major.is_none_or(|major| major < 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_node_is_the_one_that_engines_asks_for() {
        for (engines, expected) in [
            (Some(">=22.19"), Node::Release(24)),
            (Some("^22"), Node::Release(22)),
            (Some(">=18 <21"), Node::Release(20)),
            (Some("^18 || ^20"), Node::Release(20)),
            (Some("18.20.4"), Node::Version("18.20.4".to_owned())),
            (None, Node::Release(24)),
        ] {
            assert_eq!(Node::asked_for(engines).unwrap(), expected, "{engines:?}");
        }
        assert!(Node::asked_for(Some("^23")).is_err());
    }

    #[test]
    fn nothing_is_compiled_where_no_package_may_run_a_script() {
        let nine = "lockfileVersion: '9.0'\n";
        let ten = json!({"packageManager": "pnpm@10.1.0"});
        assert!(!compiles(&ten, nine, "ignoredBuiltDependencies:\n  - a\n"));
        assert!(!compiles(&ten, nine, "onlyBuiltDependencies: []\n"));
        assert!(compiles(&ten, nine, "onlyBuiltDependencies:\n  - a\n"));
        assert!(compiles(
            &json!({"packageManager": "pnpm@10.1.0", "pnpm": {"onlyBuiltDependencies": ["a"]}}),
            nine,
            ""
        ));
        assert!(compiles(&json!({"packageManager": "pnpm@9.15.9"}), nine, ""));
        assert!(compiles(&json!({}), nine, ""));
        assert!(!compiles(&json!({"packageManager": "pnpm@8.1.0"}), "lockfileVersion: '6.0'\n", ""));
        assert!(compiles(
            &json!({"packageManager": "pnpm@8.1.0"}),
            "lockfileVersion: '6.0'\n  requiresBuild: true\n",
            ""
        ));
    }
}
