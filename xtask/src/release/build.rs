//! What a release is made of, for each platform: static programs, the image, what is in it, and where it comes from.

use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::layout::Layout;
use super::notes::Built;
use super::version::Version;
use super::{Release, sbom};
use crate::docker::Docker;
use crate::outcome::Outcome;
use crate::run::{ask, program, say};
use crate::{build_image, check, crates, programs};

/// The image as the builder wrote it, in the folder of its platform.
pub const ARCHIVE: &str = "image.tar";

/// Its name there, and in an engine that it is loaded into.
pub const TAG: &str = "berth/release:built";

pub fn run(docker: &Docker, asked: &Release, version: &Version) -> Result<()> {
    build_image::ensure_builds_releases(docker)?;
    if let Outcome::Skipped(why) = check::crates()? {
        bail!("nobody has looked at the licences of the crates: {why}");
    }
    // What was built before may be of another commit.
    for folder in Built::folders()? {
        fs::remove_dir_all(folder)?;
    }
    for platform in &asked.platform {
        let (_, architecture) = platform.split_once('/').context("a platform is OS/ARCHITECTURE")?;
        let folder = Built::folder(platform);
        fs::create_dir_all(&folder)?;
        let archive = folder.join(ARCHIVE);
        let bases = build_image::for_release(docker, &asked.app, platform, TAG, &archive)?;
        let layout = Layout::unpack(platform, &archive)?;
        sbom::write(platform, &layout)?;
        let mut built = vec![("berth-init", programs::init_for(architecture)?)];
        if !asked.without_berth {
            built.push(("berth", programs::berth_for(architecture)?));
        }
        for (name, program) in built {
            let place = folder.join(format!("{name}-linux-{architecture}"));
            fs::copy(program, &place)?;
            let licences = crates::licences(name, programs::machine(architecture)?)?;
            fs::write(place.with_added_extension("licenses"), licences)?;
        }
        let built = Built {
            platform: platform.clone(),
            version: version.to_string(),
            commit: commit(Path::new("."))?,
            app: asked.app.display().to_string(),
            application: commit(&asked.app)?,
            bases,
            booted: false,
        };
        built.write()?;
        say(&format!("{platform}: {}", layout.digest));
    }
    Ok(())
}

/// The commit that a folder is at, with a word where that is not all of it.
pub fn commit(folder: &Path) -> Result<String> {
    let git = |words: &[&str]| ask(program("git").arg("-C").arg(folder).args(words));
    let head = git(&["rev-parse", "HEAD"]).context("this is no git clone")?;
    let changes = git(&["status", "--porcelain", "--", "."]).context("cannot ask git for changes")?;
    Ok(if changes.is_empty() { head.trim().to_owned() } else { format!("{}-dirty", head.trim()) })
}
