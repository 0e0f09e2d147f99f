//! The images that ours are built from and run beside: `docker/bases.json` lists them, each with the digest that was
//! read from its registry, or `unpinned`. Where no registry can be reached stand-ins are built under the same names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use super::{Docker, stand_ins};
use crate::run::{relay, say, told};

const LIST: &str = "docker/bases.json";

/// Jobs run in some of them.
const WORKFLOWS: &str = ".github/workflows";

const UNPINNED: &str = "unpinned";

/// What Docker says when it does not get through to a registry, rather than being refused by it.
const UNREACHABLE: [&str; 8] = [
    "no such host",
    "i/o timeout",
    "connection refused",
    "no route to host",
    "network is unreachable",
    "Temporary failure in name resolution",
    "TLS handshake timeout",
    "context deadline exceeded",
];

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// What the repository calls it.
    pub name: String,
    /// Its repository and tag.
    pub image: String,
    /// `sha256:…`, once it was read from the registry.
    pub digest: Option<String>,
    purpose: String,
}

/// What there is of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The image itself.
    Real,
    /// Our stand-in for it.
    StandIn,
    /// Neither, and why.
    Missing(String),
}

/// All of them, as an engine has them.
pub struct Bases(Vec<(Base, Found)>);

impl Bases {
    /// How a Dockerfile or a Compose file is to name one, unless it is missing: a stand-in has not the digest.
    pub fn reference(&self, name: &str) -> Option<String> {
        let (base, found) = self.0.iter().find(|(base, _)| base.name == name)?;
        match found {
            Found::Real => Some(base.pinned()),
            Found::StandIn => Some(base.image.clone()),
            Found::Missing(_) => None,
        }
    }

    /// Whether one is a stand-in.
    pub fn is_stand_in(&self, name: &str) -> bool {
        self.0.iter().any(|(base, found)| base.name == name && *found == Found::StandIn)
    }

    /// Each that is there with its digest, or why it has none.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let digest = |base: &Base, found: &Found| match found {
            Found::Real => Some(base.digest.clone().unwrap_or_else(|| UNPINNED.to_owned())),
            Found::StandIn => Some("a stand-in".to_owned()),
            Found::Missing(_) => None,
        };
        self.0.iter().filter_map(|(base, found)| Some((base.image.clone(), digest(base, found)?))).collect()
    }

    /// Each with its reference, a line each.
    pub fn table(&self) -> String {
        let width = self.0.iter().map(|(base, _)| base.name.len()).max().unwrap_or(0);
        let mut table = String::new();
        for (base, found) in &self.0 {
            let what = match found {
                Found::Real => "",
                Found::StandIn => " (a stand-in)",
                Found::Missing(why) => &format!("not there: {why}"),
            };
            let reference = self.reference(&base.name).unwrap_or_default();
            let _ = writeln!(table, "{:width$}  {reference}{what}", base.name);
        }
        table
    }

    /// Which are real and which not, in a line.
    pub fn told(&self) -> String {
        let names = |wanted: fn(&Found) -> bool| {
            let names = self.0.iter().filter(|(_, found)| wanted(found));
            names.map(|(base, _)| base.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let mut told = Vec::new();
        for (what, names) in [
            ("real", names(|found| *found == Found::Real)),
            ("stand-ins", names(|found| *found == Found::StandIn)),
            ("missing", names(|found| matches!(found, Found::Missing(_)))),
        ] {
            if !names.is_empty() {
                told.push(format!("{what}: {names}"));
            }
        }
        told.join("; ")
    }
}

impl Base {
    /// With its digest, if it has one.
    fn pinned(&self) -> String {
        self.digest.as_ref().map_or_else(|| self.image.clone(), |digest| format!("{}@{digest}", self.image))
    }

    /// The registry that it comes from; a name without one is Docker Hub's.
    fn registry(&self) -> &str {
        match self.image.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) => host,
            _ => "docker.io",
        }
    }
}

/// Makes sure that the engine has all of them, as far as they can be had.
pub fn ensure(docker: &Docker) -> Result<Bases> {
    let all = list()?;
    let mut found = BTreeMap::new();
    let mut unreachable: Vec<&str> = Vec::new();
    for base in &all {
        if let Some(there) = present(docker, base)? {
            found.insert(base.name.clone(), there);
        } else if !unreachable.contains(&base.registry()) {
            if pull(docker, base)? {
                found.insert(base.name.clone(), Found::Real);
            } else {
                unreachable.push(base.registry());
            }
        }
    }
    let wanted: Vec<_> = all.iter().filter(|base| !found.contains_key(&base.name)).collect();
    if !wanted.is_empty() {
        found.extend(stand_ins::build(docker, &all, &wanted)?);
    }
    let with = |base: Base| {
        let found = found.remove(&base.name)?;
        if let Found::Missing(why) = &found {
            say(&format!("no {}: {why}", base.image));
        }
        Some((base, found))
    };
    Ok(Bases(all.into_iter().filter_map(with).collect()))
}

/// Reads each digest from its registry and writes it into the list. One that cannot be read stays as it is.
pub fn refresh(docker: &Docker) -> Result<()> {
    let mut bases = list()?;
    let mut unread = Vec::new();
    for base in &mut bases {
        let words = ["buildx", "imagetools", "inspect", &base.image, "--format", "{{json .Manifest}}"];
        let manifest = docker.ask(words).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        match manifest.as_ref().and_then(|manifest| manifest["digest"].as_str()) {
            Some(digest) if base.digest.as_deref() == Some(digest) => {}
            Some(digest) => {
                println!("{}: {} -> {digest}", base.image, base.digest.as_deref().unwrap_or(UNPINNED));
                base.digest = Some(digest.to_owned());
            }
            None => unread.push(base.image.clone()),
        }
    }
    fs::write(LIST, written(&bases))?;
    for path in workflows()? {
        let workflow = fs::read_to_string(&path)?;
        let pinned = pinned_in(&workflow, &bases);
        if pinned != workflow {
            println!("{}: by the digests of the list", path.display());
            fs::write(&path, pinned)?;
        }
    }
    ensure!(unread.is_empty(), "no registry told the digest of {}: left as it was", unread.join(", "));
    Ok(())
}

/// The images that jobs run in and that are not as the list has them: each with its file and line.
pub fn strays() -> Result<Vec<String>> {
    let bases = list()?;
    let mut found = Vec::new();
    for path in workflows()? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lines = strays_in(&fs::read_to_string(path)?, &bases);
        found.extend(lines.into_iter().map(|(line, image)| format!("{name}, line {line}: {image}")));
    }
    Ok(found)
}

fn strays_in(workflow: &str, bases: &[Base]) -> Vec<(usize, String)> {
    let images = workflow.lines().enumerate().filter_map(|(index, line)| {
        // A job may have that name.
        let image = line.trim().strip_prefix("image:")?.trim();
        (!image.is_empty()).then(|| (index + 1, image.to_owned()))
    });
    images.filter(|(_, image)| !bases.iter().any(|base| in_workflows(base) == *image)).collect()
}

/// How a workflow is to name it.
fn in_workflows(base: &Base) -> String {
    base.digest.as_ref().map_or_else(
        || format!("{}@sha256:{} # {UNPINNED}", base.image, "0".repeat(64)),
        |digest| format!("{}@{digest}", base.image),
    )
}

/// A workflow with the digest of each image of the list that a job of it runs in.
fn pinned_in(workflow: &str, bases: &[Base]) -> String {
    let pinned = |line: &str| {
        let (before, image) = line.split_once("image: ")?;
        let is_it = |base: &&Base| image.strip_prefix(&base.image).is_some_and(|rest| rest.starts_with('@'));
        Some(format!("{before}image: {}\n", in_workflows(bases.iter().find(is_it)?)))
    };
    workflow.split_inclusive('\n').map(|line| pinned(line).unwrap_or_else(|| line.to_owned())).collect()
}

/// The files of all workflows.
pub fn workflows() -> Result<Vec<PathBuf>> {
    fs::read_dir(WORKFLOWS)?.map(|entry| Ok(entry?.path())).collect()
}

/// What the engine has already.
fn present(docker: &Docker, base: &Base) -> Result<Option<Found>> {
    let label = |key: &str, reference: &str| {
        let format = format!("{{{{index .Config.Labels \"{key}\"}}}}");
        docker.ask(["image", "inspect", "--format", &format, reference]).map(|text| text.trim().to_owned())
    };
    let Some(inputs) = label(stand_ins::INPUTS, &base.image) else {
        let pinned = base.digest.is_some() && label(stand_ins::INPUTS, &base.pinned()).is_some();
        return Ok(pinned.then_some(Found::Real));
    };
    if inputs.is_empty() || inputs == "<no value>" {
        let real = base.digest.is_none() || label(stand_ins::INPUTS, &base.pinned()).is_some();
        return Ok(real.then_some(Found::Real));
    }
    Ok((stand_ins::inputs(&base.name)?.as_deref() == Some(&inputs)).then_some(Found::StandIn))
}

/// Whether it could be pulled; not when its registry cannot be reached.
fn pull(docker: &Docker, base: &Base) -> Result<bool> {
    let mut pull = docker.command(["pull", "--quiet", &base.pinned()]);
    let what = told(&pull);
    say(&what);
    let (lines, ended) = relay(&what, &mut pull)?;
    if ended.success() {
        if base.digest.is_some() {
            docker.ask(["tag", &base.pinned(), &base.image]).context("cannot tag the image")?;
        }
        return Ok(true);
    }
    if lines.iter().any(|line| UNREACHABLE.iter().any(|text| line.contains(text))) {
        return Ok(false);
    }
    bail!("`{what}` ended with {ended}")
}

/// The list.
pub fn list() -> Result<Vec<Base>> {
    parse(&fs::read_to_string(LIST)?).with_context(|| format!("cannot read {LIST}"))
}

fn parse(text: &str) -> Result<Vec<Base>> {
    let list: Value = serde_json::from_str(text)?;
    let entries = list.as_array().context("it is a list")?.iter();
    let bases = entries.map(|entry| {
        let field = |key: &str| {
            entry[key].as_str().map(str::to_owned).with_context(|| format!("an entry has no {key}: {entry}"))
        };
        let digest = field("digest")?;
        let digest = if digest == UNPINNED {
            None
        } else {
            ensure!(digest.starts_with("sha256:"), "a digest is sha256:… or {UNPINNED}, not {digest}");
            Some(digest)
        };
        Ok(Base { name: field("name")?, image: field("image")?, digest, purpose: field("for")? })
    });
    bases.collect()
}

fn written(bases: &[Base]) -> String {
    let mut text = "[\n".to_owned();
    for (index, base) in bases.iter().enumerate() {
        let digest = base.digest.as_deref().unwrap_or(UNPINNED);
        let fields =
            [("name", &*base.name), ("image", &base.image), ("digest", digest), ("for", &base.purpose)];
        let fields = fields.map(|(key, value)| format!("    \"{key}\": {}", Value::from(value)));
        let comma = if index + 1 == bases.len() { "" } else { "," };
        let _ = writeln!(text, "  {{\n{}\n  }}{comma}", fields.join(",\n"));
    }
    text + "]\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_written_as_it_was_read() {
        let text = fs::read_to_string("../docker/bases.json").unwrap();
        assert_eq!(written(&parse(&text).unwrap()), text);
    }

    #[test]
    fn a_job_runs_in_an_image_by_the_digest_of_the_list() {
        let base = |digest: Option<&str>| Base {
            name: "builder".to_owned(),
            image: "node:24-bookworm".to_owned(),
            digest: digest.map(str::to_owned),
            purpose: String::new(),
        };
        let of = |digest: &str| {
            format!(
                "container:\n  image: node:24-bookworm@{digest}\n  image: node:24-bookworm-slim@sha256:2\n"
            )
        };
        let unpinned = of(&format!("sha256:{} # unpinned", "0".repeat(64)));
        assert_eq!(pinned_in(&unpinned, &[base(Some("sha256:1"))]), of("sha256:1"));
        assert_eq!(pinned_in(&of("sha256:1"), &[base(None)]), unpinned);
        let strays = |text: &str, digest| strays_in(text, &[base(digest)]).len();
        assert_eq!(
            (strays(&unpinned, None), strays(&of("sha256:1"), Some("sha256:1"))),
            (1, 1),
            "the slim one"
        );
        assert_eq!((strays(&unpinned, Some("sha256:1")), strays(&of("sha256:1"), None)), (2, 2));
        assert_eq!(
            strays("jobs:\n  image:\n    image: node:25@sha256:1\n    image: \"node:24-bookworm\"\n", None),
            2
        );
    }

    #[test]
    fn only_what_is_real_and_pinned_is_named_by_its_digest() {
        let base = |digest: Option<&str>| Base {
            name: "debian".to_owned(),
            image: "debian:bookworm-slim".to_owned(),
            digest: digest.map(str::to_owned),
            purpose: String::new(),
        };
        let named = |digest, found| Bases(vec![(base(digest), found)]).reference("debian");
        let pinned = Some("debian:bookworm-slim@sha256:1".to_owned());
        assert_eq!(named(Some("sha256:1"), Found::Real), pinned);
        assert_eq!(named(None, Found::Real), Some("debian:bookworm-slim".to_owned()));
        assert_eq!(named(Some("sha256:1"), Found::StandIn), Some("debian:bookworm-slim".to_owned()));
        assert_eq!(named(None, Found::Missing(String::new())), None);
    }

    #[test]
    fn a_digest_that_is_none_is_refused() {
        let text = r#"[{"name": "a", "image": "a:1", "digest": "latest", "for": "b"}]"#;
        assert!(parse(text).is_err());
    }

    #[test]
    fn a_name_without_a_registry_is_docker_hubs() {
        let registry = |image: &str| {
            let base =
                Base { name: String::new(), image: image.to_owned(), digest: None, purpose: String::new() };
            base.registry().to_owned()
        };
        assert_eq!(registry("redis:7"), "docker.io");
        assert_eq!(registry("library/redis:7"), "docker.io");
        assert_eq!(registry("ghcr.io/ferretdb/ferretdb:2.7.0"), "ghcr.io");
        assert_eq!(registry("localhost:5000/a"), "localhost:5000");
    }
}
