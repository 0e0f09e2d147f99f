//! Whether Node is one that the application was made for: `engines.node` of its package.json, in npm's words for ranges.

use std::path::Path;

use berth_settings::Finding;
use nodejs_semver::{Range, Version};
use serde::Deserialize;

#[derive(Deserialize)]
struct Package {
    engines: Option<Engines>,
}

#[derive(Deserialize)]
struct Engines {
    node: Option<String>,
}

/// What is to be said of this Node. It is asked for its version, which takes as long as starting it: so by `check` alone,
/// where nothing is supervised and its end is ours to wait for.
pub fn finding(node: &Path, folder: &Path) -> Option<Finding> {
    let package = fs_err::read(folder.join("package.json")).ok()?;
    let range = serde_json::from_slice::<Package>(&package).ok()?.engines?.node?;
    #[expect(clippy::disallowed_methods, reason = "check supervises nothing")]
    let asked = std::process::Command::new(node).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let allowed = Range::parse(&range).ok()?.satisfies(&Version::parse(said.strip_prefix('v')?).ok()?);
    let message =
        format!("{} is {said}, and the application wants {range}: set it to another Node", node.display());
    (!allowed).then(|| Finding::warned(message).of("BERTH_NODE"))
}
