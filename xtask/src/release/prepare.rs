//! `cargo xtask release prepare`: one version for all, the changelog, the commit and its tag.

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::version::Version;
use crate::run::{ask, cargo, program, run, say};

const MANIFEST: &str = "Cargo.toml";
const CHANGELOG: &str = "CHANGELOG.md";

/// The heading above what is not released yet.
const UNRELEASED: &str = "## Unreleased";

pub fn run_for(text: &str, dry_run: bool) -> Result<()> {
    let (version, now) = (Version::parse(text)?, Version::of_the_workspace()?);
    ensure!(version >= now, "the workspace is {now} already, and versions do not go back");
    let git = |words: &[&str]| ask(program("git").args(words)).context("cannot ask git: is this a clone?");
    ensure!(git(&["status", "--porcelain"])?.is_empty(), "the clone has changes: commit them first");
    ensure!(git(&["tag", "--list", &version.tag()])?.is_empty(), "there is a tag {} already", version.tag());
    let date = ask(program("date").args(["--utc", "+%Y-%m-%d"])).context("cannot ask date(1)")?;
    let changelog = fs::read_to_string(CHANGELOG)?;
    let changes = unreleased(&changelog)?;
    let changelog = released(&changelog, &version, date.trim())?;
    let manifest = bumped(&fs::read_to_string(MANIFEST)?, &now, &version)?;
    let (tag, subject) = (version.tag(), format!("Release {version}"));
    // The code host shows it to operators (--notes-from-tag).
    let message = format!("{subject}\n\n{changes}");
    if dry_run {
        say(&format!(
            "would write {version} into {MANIFEST} and Cargo.lock, and into {CHANGELOG} over what is unreleased"
        ));
        say(&format!("would commit that as {subject:?}, with the tag {tag}, whose message is"));
        say(&message);
        return Ok(());
    }
    fs::write(MANIFEST, manifest)?;
    fs::write(CHANGELOG, changelog)?;
    run("write it into Cargo.lock", cargo().args(["update", "--workspace", "--offline"]))?;
    let files = [MANIFEST, "Cargo.lock", CHANGELOG];
    run("commit", program("git").args(["commit", "--message", &subject, "--"]).args(files))?;
    // A line with # is a heading to the code host, and a comment to git.
    let annotate = ["tag", "--annotate", "--cleanup=whitespace", "--message", &message, &tag];
    run("tag", program("git").args(annotate))?;
    say(&format!("next: git push --follow-tags, then publish a release of {tag} at the code host"));
    Ok(())
}

/// Why this version cannot be published as the repository is.
pub fn unready(version: &Version) -> Result<Option<String>> {
    let changelog = fs::read_to_string(CHANGELOG)?;
    let heading = format!("## {version}");
    let has = changelog.lines().any(|line| line.split(" (").next() == Some(heading.as_str()));
    Ok((!has)
        .then(|| format!("{CHANGELOG} has no section for {version}: cargo xtask release prepare {version}")))
}

/// The changelog with what was unreleased under this version.
fn released(changelog: &str, version: &Version, date: &str) -> Result<String> {
    let (before, after) = around_unreleased(changelog)?;
    Ok(format!("{before}{UNRELEASED}\n\n## {version} ({date})\n{after}"))
}

/// What is not released yet.
fn unreleased(changelog: &str) -> Result<String> {
    let (_, after) = around_unreleased(changelog)?;
    let own = after.split("\n## ").next().unwrap_or_default();
    ensure!(
        own.lines().any(|line| line.starts_with("- ")),
        "{CHANGELOG} says nothing under {UNRELEASED:?}: what changes for operators?"
    );
    Ok(own.trim().to_owned())
}

fn around_unreleased(changelog: &str) -> Result<(&str, &str)> {
    let halves = changelog.split_once(&format!("{UNRELEASED}\n"));
    halves.with_context(|| format!("{CHANGELOG} has no {UNRELEASED:?}"))
}

/// The manifest of the workspace with another version.
fn bumped(manifest: &str, now: &Version, version: &Version) -> Result<String> {
    let (old, new) = (format!("\nversion = \"{now}\"\n"), format!("\nversion = \"{version}\"\n"));
    ensure!(manifest.matches(&old).count() == 1, "{MANIFEST} has its version in another place");
    Ok(manifest.replace(&old, &new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn what_is_unreleased_gets_the_version_and_its_date() {
        let before = "# Changelog\n\n## Unreleased\n\n- one\n\n## 0.1.0 (2026-01-01)\n\n- old\n";
        let after = released(before, &version("0.2.0"), "2026-02-03").unwrap();
        assert_eq!(after, before.replace("## Unreleased\n", "## Unreleased\n\n## 0.2.0 (2026-02-03)\n"));
    }

    #[test]
    fn a_version_of_which_nothing_is_told_is_refused() {
        let empty = "## Unreleased\n\n## 0.1.0 (2026-01-01)\n\n- old\n";
        assert!(unreleased(empty).is_err());
        assert!(unreleased("- old\n").is_err());
    }

    #[test]
    fn the_tag_says_what_the_changelog_does() {
        let changelog = "# Changelog\n\n## Unreleased\n\n### Security\n\n- one\n  more\n\n## 0.1.0 (2026-01-01)\n\n- old\n";
        assert_eq!(unreleased(changelog).unwrap(), "### Security\n\n- one\n  more");
    }

    #[test]
    fn the_one_version_of_the_workspace_is_bumped() {
        let manifest = "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace.dependencies]\na = \"0.1.0\"\n";
        let after = bumped(manifest, &version("0.1.0"), &version("0.2.0")).unwrap();
        assert_eq!(after, manifest.replace("\nversion = \"0.1.0\"", "\nversion = \"0.2.0\""));
        assert!(bumped(manifest, &version("0.3.0"), &version("0.4.0")).is_err());
    }
}
