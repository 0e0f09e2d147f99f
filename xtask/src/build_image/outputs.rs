//! Where a build's result goes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use fs_err as fs;

use super::{BuildImage, FOLDER, ensure_json, field};
use crate::docker::Docker;
use crate::run::run;

/// The same files with the same times, and OCI's own names for what is in an image.
const EXACT: &str = "rewrite-timestamp=true,oci-mediatypes=true";

pub struct Output {
    tags: Vec<String>,
    place: Place,
    digest: Option<String>,
}

enum Place {
    /// A file.
    File(PathBuf),
    /// The engine, by way of a file: a builder that is part of the engine unpacks what it makes, and cannot set times
    /// then. From there to the registry, if it is to be pushed.
    Engine { file: PathBuf, pushes: bool },
    /// An engine whose store keeps images unpacked only, so that they have another digest there.
    OldEngine,
    /// The registry, from a builder of its own.
    Registry,
}

impl Output {
    /// What was asked for.
    pub fn of(docker: &Docker, asked: &BuildImage, default_tag: impl FnOnce() -> String) -> Result<Self> {
        let place = match &asked.oci {
            Some(file) => Place::File(file.clone()),
            None if has_containerd_store(docker) => {
                let name = format!("made-{}.tar", std::process::id());
                Place::Engine { file: Path::new(FOLDER).join(name), pushes: asked.push }
            }
            None if asked.push => Place::Registry,
            None => Place::OldEngine,
        };
        let tags = if asked.tag.is_empty() { vec![default_tag()] } else { asked.tag.clone() };
        fs::create_dir_all(FOLDER)?;
        Ok(Self { tags, place, digest: None })
    }

    /// What it is called.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    fn tag(&self) -> &str {
        &self.tags[0]
    }

    /// Adds it to a build.
    pub fn ask(&self, build: &mut Command) {
        build.arg("--metadata-file").arg(notes());
        match &self.place {
            Place::File(file) | Place::Engine { file, .. } => {
                build.arg("--output").arg(format!("type=oci,dest={},{EXACT}", file.display()))
            }
            Place::OldEngine => build.arg("--load"),
            Place::Registry => build.arg("--output").arg(format!("type=image,push=true,{EXACT}")),
        };
    }

    /// Takes the result to its place, and notes which image it became.
    pub fn deliver(mut self, docker: &Docker) -> Result<Self> {
        let text = fs::read_to_string(notes())?;
        fs::remove_file(notes())?;
        let notes = ensure_json(&text, "docker build")?;
        self.digest = field(&notes, "containerimage.digest").map(str::to_owned);
        if let Place::Engine { file, pushes } = &self.place {
            run("load it", docker.command(["load", "--quiet", "--input"]).arg(file))?;
            for tag in self.tags.iter().filter(|_| *pushes) {
                run(&format!("push {tag}"), &mut docker.command(["push", "--quiet", tag]))?;
            }
        }
        Ok(self)
    }

    /// What can be looked into; nothing where it is elsewhere.
    pub fn source(&self) -> Option<&str> {
        match &self.place {
            Place::File(file) | Place::Engine { file, .. } => file.to_str(),
            Place::OldEngine => Some(self.tag()),
            Place::Registry => None,
        }
    }

    pub fn told(&self) -> String {
        let digest = self.digest.as_ref().map_or(String::new(), |digest| format!(" ({digest})"));
        let place = match &self.place {
            Place::Engine { pushes: true, .. } | Place::Registry => ", pushed".to_owned(),
            Place::File(file) => format!(", in {}", file.display()),
            Place::Engine { .. } | Place::OldEngine => String::new(),
        };
        format!("{}{digest}{place}", self.tags.join(", "))
    }
}

/// The file on the way to the engine is ours.
impl Drop for Output {
    fn drop(&mut self) {
        if let Place::Engine { file, .. } = &self.place {
            let _ = fs::remove_file(file);
        }
    }
}

fn notes() -> PathBuf {
    Path::new(FOLDER).join(format!("notes-{}.json", std::process::id()))
}

/// Whether an engine keeps images as they were packed.
pub fn has_containerd_store(docker: &Docker) -> bool {
    let status = docker.ask(["info", "--format", "{{json .DriverStatus}}"]);
    status.is_some_and(|status| status.contains("io.containerd.snapshotter"))
}
