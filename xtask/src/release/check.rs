//! What has to be right before anything is public.

use anyhow::{Result, bail, ensure};
use fs_err as fs;

use super::build::ARCHIVE;
use super::notes::Built;
use super::prepare;
use super::target::Target;
use super::version::Version;
use crate::build_image;
use crate::docker::Docker;
use crate::docker::bases::{self, Base};
use crate::run::{ask, program, say};

/// Looks at the repository. What is wrong keeps a release from a public registry, and is only said for one of this machine.
pub fn before(target: &Target, version: &Version) -> Result<()> {
    let mut wrong = Vec::new();
    if !Target::is_chosen()? {
        wrong.push("docker/release.json names no repository".to_owned());
    }
    wrong.extend(unpinned_bases(&bases::list()?));
    wrong.extend(bases::strays()?.into_iter().map(|stray| {
        format!("{stray} is not as docker/bases.json has it: cargo xtask bases --refresh, or list it there")
    }));
    for path in bases::workflows()? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wrong.extend(unpinned_actions(&name, &fs::read_to_string(&path)?));
    }
    wrong.extend(prepare::unready(version)?);
    let git = |words: &[&str]| ask(program("git").args(words)).map(|told| told.trim().to_owned());
    if git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty()) {
        wrong.push("the clone has changes that are not committed".to_owned());
    }
    if !git(&["tag", "--points-at", "HEAD"]).is_some_and(|tags| tags.lines().any(|tag| tag == version.tag()))
    {
        wrong.push(format!("{} is not the tag of this commit: cargo xtask release prepare", version.tag()));
    }
    let public = if target.is_local() { "keeps it from a public registry" } else { "error" };
    for one in &wrong {
        say(&format!("{public}: {one}"));
    }
    if !target.is_local() && !wrong.is_empty() {
        bail!("{} is public, and {} of what it needs is not there", target.registry, wrong.len());
    }
    Ok(())
}

/// Looks into the image for each platform.
pub fn image(docker: &Docker) -> Result<()> {
    for built in Built::all()? {
        let archive = Built::folder(&built.platform).join(ARCHIVE);
        let good = build_image::look_into(docker, &archive.display().to_string(), &built.platform)?;
        ensure!(good, "something is in the image for {} that should not be", built.platform);
    }
    Ok(())
}

/// Of those that run beside the image, too: Compose files name them.
fn unpinned_bases(bases: &[Base]) -> Vec<String> {
    let unpinned = bases.iter().filter(|base| base.digest.is_none());
    unpinned
        .map(|base| format!("the base image {} is not pinned: cargo xtask bases --refresh", base.name))
        .collect()
}

/// Actions by anything else than a commit. Whoever can move a tag can change what runs here.
fn unpinned_actions(file: &str, workflow: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in workflow.lines().enumerate() {
        let line = line.trim().trim_start_matches("- ");
        let Some(action) = line.strip_prefix("uses:").or_else(|| line.strip_prefix("image:")) else {
            continue;
        };
        let action = action.split('#').next().unwrap_or_default().trim();
        if action.is_empty() {
            // A job may have that name.
            continue;
        }
        let commit = action.rsplit_once('@').map(|(_, commit)| commit);
        // A container's image has a digest in its place.
        let commit = commit.map(|commit| commit.strip_prefix("sha256:").unwrap_or(commit));
        let is_commit =
            |word: &str| matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_zero = |word: &str| word.bytes().all(|byte| byte == b'0');
        if !action.starts_with("./") && !commit.is_some_and(|word| is_commit(word) && !is_zero(word)) {
            wrong.push(format!("{file}, line {}: {action} is not pinned by a commit", number + 1));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_pinned_by_a_commit_and_nothing_else() {
        let good = "0123456789abcdef0123456789abcdef01234567";
        for (line, pinned) in [
            (format!("      - uses: actions/checkout@{good} # v5"), true),
            ("        uses: ./.github/actions/own".to_owned(), true),
            ("      - uses: actions/checkout@v5".to_owned(), false),
            ("      - uses: actions/checkout@unpinned".to_owned(), false),
            ("      - uses: actions/checkout".to_owned(), false),
            (format!("      - uses: actions/checkout@{} # unpinned", "0".repeat(40)), false),
            (format!("      - uses: actions/checkout@{}", &good[..39]), false),
            ("  image:".to_owned(), true),
            ("      image: debian:bookworm".to_owned(), false),
            (format!("      image: debian:bookworm@sha256:{}", "0".repeat(64)), false),
            (format!("      image: debian:bookworm@sha256:{}", "1".repeat(64)), true),
            ("      - run: echo uses: nothing".to_owned(), true),
        ] {
            assert_eq!(unpinned_actions("a.yml", &line).is_empty(), pinned, "{line}");
        }
    }
}
