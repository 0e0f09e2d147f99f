//! `berth image load`: an image of a release, from a file, for a host that reaches no registry. It is verified before the
//! engine gets it, and what was signed of it is kept with the installation, for `berth up`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use berth_engine::Folder;
use berth_engine::compose::Line;
use berth_report::{Code, Problem};
use serde_json::Value;

use super::docker;
use crate::verify::{self, Evidence, Release};
use crate::{places, problem, stdout};

/// What is read before anything is verified may be no larger.
const LARGEST: u64 = 256 << 20;

pub fn run(state: Option<PathBuf>, file: &Path, release: Option<&Path>) -> anyhow::Result<ExitCode> {
    let release = Release::read(release)?.known()?;
    let named = file.display().to_string();
    let wrong = |error: anyhow::Error| {
        Problem::new(Code::Failure, format!("{named} is no image of a release"))
            .because(error)
            .hint("it is the file image-vX.Y.Z.oci.tar of a release: docs/guide/releases.md")
    };
    let (evidence, index) = read(file).map_err(wrong)?;
    let (name, digest) = named_in(&index).map_err(wrong)?;
    let verified = verify::judge(&release, &name, &evidence)?;
    if digest != verified.digest {
        let error = anyhow::anyhow!("what was signed is {}, and the image is {digest}", verified.digest);
        return Err(wrong(error).into());
    }
    // The engine compares each part with its digest, from the index downwards.
    docker::show(&Line::docker(["image", "load", "--quiet", "--input", &named]), &[])?;
    let found = docker::answer(&Line::docker(["image", "inspect", "--format", "{{.Id}}", &name]))?;
    if found.trim() != verified.digest {
        return Err(Problem::new(Code::Failure, format!("the engine took {name} for {}", found.trim()))
            .hint("only an engine with the containerd image store keeps an image as it was signed: docs/guide/releases.md")
            .into());
    }
    let folder = Folder::create(&places::state(state)?).map_err(problem::of_folder)?;
    verify::keep(&folder, &evidence)?;
    stdout::print(&verify::told(&name, &verified));
    Ok(ExitCode::SUCCESS)
}

/// What was signed, and the index of the archive, which come first in it.
fn read(file: &Path) -> anyhow::Result<(Evidence, Value)> {
    let mut archive = tar::Archive::new(fs_err::File::open(file)?);
    let (mut evidence, mut index) = (None, None);
    for entry in archive.entries()? {
        let mut entry = entry.context("it is no tar archive, or not all of one")?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        if !matches!(path.as_str(), "evidence.json" | "index.json") {
            continue;
        }
        let mut text = String::new();
        entry.by_ref().take(LARGEST).read_to_string(&mut text)?;
        match path.as_str() {
            "evidence.json" => {
                evidence = Some(serde_json::from_str(&text).context("cannot read what was signed")?);
            }
            _ => index = Some(serde_json::from_str(&text).context("cannot read its index")?),
        }
        if let (Some(_), Some(_)) = (&evidence, &index) {
            break;
        }
    }
    Ok((evidence.context("nothing in it was signed")?, index.context("it has no index")?))
}

/// The name and the digest of the one image of an archive.
fn named_in(index: &Value) -> anyhow::Result<(String, String)> {
    let Some([image]) = index["manifests"].as_array().map(Vec::as_slice) else {
        anyhow::bail!("it is not one image");
    };
    let word = |value: &Value, what| value.as_str().map(str::to_owned).context(what);
    let name = word(&image["annotations"]["io.containerd.image.name"], "its image has no name")?;
    Ok((name, word(&image["digest"], "its image has no digest")?))
}
