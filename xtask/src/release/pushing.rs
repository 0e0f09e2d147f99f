//! An image into a registry, and its tags.

use anyhow::{Context, Result, bail, ensure};

use super::layout::Layout;
use super::notes::Built;
use super::programs;
use super::target::Target;
use super::version::{self, Version};
use crate::run::{run, say, told};

/// Joins what was built for each platform, and pushes it by its digest. What the registry has already is not sent.
pub fn image(target: &Target) -> Result<()> {
    let layout = Layout::join(&Built::all()?)?;
    let image = target.at(&layout.digest);
    let mut push = programs::crane()?;
    push.args(["push", "--index"]).arg(&layout.folder).arg(&image);
    run(&format!("push {image}"), &mut push).map(drop)
}

/// Moves the tags that are for this version. A version that was published stays what it was.
pub fn tags(target: &Target, version: &Version) -> Result<()> {
    let not_started: Vec<_> =
        Built::all()?.into_iter().filter(|built| !built.booted).map(|built| built.platform).collect();
    if !not_started.is_empty() {
        let told = format!("no role was started for {}", not_started.join(", "));
        ensure!(target.is_local(), "{told}: cargo xtask release check, on a machine of that platform");
        say(&format!("{told}; elsewhere than on this machine no tag would move"));
    }
    let digest = Layout::joined()?.digest;
    let there = list(target)?;
    let own = version.tag();
    if there.contains(&own) {
        let published = digest_of(target, &own)?;
        if published != digest && target.is_local() {
            say(&format!(
                "{own} was {published}; elsewhere than on this machine a version stays what it was"
            ));
        } else {
            ensure!(
                published == digest,
                "{own} is published already, as {published}, and a version stays what it was: prepare another"
            );
        }
    }
    for tag in version::tags(version, &version::released(there.iter().map(String::as_str))) {
        let mut set = programs::crane()?;
        set.arg("tag").arg(target.at(&digest)).arg(&tag);
        run(&format!("{}:{tag} is {digest}", target.image), &mut set)?;
    }
    say(&format!("{}@{digest} is released as {own}", target.image));
    Ok(())
}

/// All tags of the image.
fn list(target: &Target) -> Result<Vec<String>> {
    let mut list = programs::crane()?;
    let output = list.args(["ls", &target.image]).output().context("cannot run crane")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !said.contains("NAME_UNKNOWN") {
        bail!("`{}` failed: {}", told(&list), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn digest_of(target: &Target, tag: &str) -> Result<String> {
    let mut digest = programs::crane()?;
    let told = crate::run::ask(digest.arg("digest").arg(format!("{}:{tag}", target.image)));
    Ok(told.with_context(|| format!("cannot ask for {}:{tag}", target.image))?.trim().to_owned())
}
