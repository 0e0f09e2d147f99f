//! What is published beside the image, for hosts that reach no registry and for those who run no containers: programs with
//! the licences of what is linked into them, the image as a file with all that was signed of it, its digest, and a signed list of
//! checksums.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::FOLDER;
use super::layout::{Layout, sha256};
use super::notes::Built;
use super::signing::Signer;
use super::target::Target;
use super::verifying;
use super::version::Version;
use crate::run::{program, run, say};

const SUMS: &str = "SHA256SUMS";

/// Gathers it in `target/publish/assets`.
pub fn gather(target: &Target, key: Option<&Path>, version: &Version) -> Result<()> {
    let folder = Path::new(FOLDER).join("assets");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let (layout, built) = (Layout::joined()?, Built::all()?);
    let mut names = Vec::new();
    for Built { platform, .. } in &built {
        for entry in fs::read_dir(Built::folder(platform))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_file() && name.starts_with("berth") {
                fs::copy(&path, folder.join(&name))?;
                names.push(name);
            }
        }
    }
    ensure!(!names.is_empty(), "no programs were built: cargo xtask release build");
    names.push("digest".to_owned());
    fs::write(folder.join("digest"), format!("{}\n", target.at(&layout.digest)))?;
    names.push(image(target, &layout, &folder, version)?);
    names.sort();
    let sums = names.iter().map(|name| {
        let sum = sha256(&folder.join(name))?;
        Ok(format!("{}  {name}\n", sum.trim_start_matches("sha256:")))
    });
    fs::write(folder.join(SUMS), sums.collect::<Result<String>>()?)?;
    Signer::of(target, key)?.file(&folder.join(SUMS))?;
    say(&format!("{} has {} files, and their checksums, signed", folder.display(), names.len()));
    Ok(())
}

/// The image as a file that engines load, with what `berth image load` verifies it by.
fn image(target: &Target, layout: &Layout, folder: &Path, version: &Version) -> Result<String> {
    let name = format!("image-{}.oci.tar", version.tag());
    let archive = layout.archive(&format!("{}:{}", target.image, version.tag()))?;
    verifying::evidence(target, &archive.join("evidence.json"))?;
    let mut pack = program("tar");
    pack.args([
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--create",
        "--file",
    ]);
    pack.arg(folder.join(&name)).arg("--directory").arg(archive);
    // What tells whether the rest is to be believed comes first.
    let packed = pack.args(["evidence.json", "oci-layout", "index.json", "blobs"]);
    run("pack the image", packed).context("cannot pack the image")?;
    Ok(name)
}
