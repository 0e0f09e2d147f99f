//! A finished image as a file: what `docker save` writes, or a folder's layout packed by tar(1) (OCI image layout
//! specification 1.1). Read once from front to end, because it may come through a pipe.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::layer::Layer;

/// Manifests and configurations are some kilobytes; a layer is told from them by its first bytes.
const LONGEST_DOCUMENT: u64 = 8 << 20;

/// One image, for one platform.
pub struct Image {
    pub configuration: Configuration,
    /// From the base upwards.
    pub layers: Vec<Layer>,
}

/// The image's configuration, as far as it is asked for (OCI image configuration specification 1.1).
#[derive(Debug, Default, Deserialize)]
pub struct Configuration {
    pub architecture: String,
    pub os: String,
    #[serde(default)]
    pub config: Runs,
    #[serde(default)]
    pub history: Vec<Step>,
}

/// What it says about a container of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Runs {
    pub user: String,
    pub working_dir: String,
}

/// How a layer came about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    pub created_by: String,
    pub empty_layer: bool,
}

/// Reads the image for `architecture` out of an archive. An archive with one image needs no such choice.
pub fn read(archive: impl Read, architecture: Option<&str>) -> anyhow::Result<Image> {
    let mut documents = BTreeMap::new();
    let mut layers = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry.context("this is no tar archive, or not all of one")?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let size = entry.size();
        let mut head = Vec::new();
        entry.by_ref().take(1).read_to_end(&mut head)?;
        if size <= LONGEST_DOCUMENT && head.first().is_some_and(|byte| matches!(byte, b'{' | b'[')) {
            let document = serde_json::from_reader(head.as_slice().chain(entry));
            // A small layer may begin like that, too.
            documents.extend(document.ok().map(|document: Value| (path, document)));
        } else if path.starts_with("blobs/") || path.ends_with("/layer.tar") {
            let layer = Layer::read(head.as_slice().chain(entry), size);
            layers.insert(path.clone(), layer.with_context(|| format!("cannot read the layer {path}"))?);
        }
    }
    let (configuration, paths) = chosen(&documents, architecture)?;
    let missing = |path: &String| format!("the archive lacks the layer {path}");
    let layers = paths.iter().map(|path| layers.remove(path).with_context(|| missing(path)));
    let mut image = Image { configuration, layers: layers.collect::<anyhow::Result<_>>()? };
    let steps = image.configuration.history.iter().filter(|step| !step.empty_layer);
    for (layer, step) in image.layers.iter_mut().zip(steps) {
        layer.made_by = told(&step.created_by);
    }
    for (layer, path) in image.layers.iter_mut().zip(paths) {
        layer.digest = path.strip_prefix("blobs/").unwrap_or(&path).replace('/', ":");
    }
    Ok(image)
}

/// The configuration, and where the layers are.
fn chosen(
    documents: &BTreeMap<String, Value>,
    architecture: Option<&str>,
) -> anyhow::Result<(Configuration, Vec<String>)> {
    let images = match documents.get("index.json") {
        Some(index) => indexed(documents, index),
        None => saved(documents.get("manifest.json").context("the archive holds no image")?),
    };
    let mut found = Vec::new();
    for (configuration, layers) in images {
        let configuration = documents.get(&configuration).context("the archive lacks a configuration")?;
        let configuration: Configuration = serde_json::from_value(configuration.clone())
            .with_context(|| format!("cannot read the configuration {configuration}"))?;
        found.push((configuration, layers));
    }
    let all: Vec<_> = found.iter().map(|(one, _)| format!("{}/{}", one.os, one.architecture)).collect();
    match architecture {
        Some(wanted) if found.len() > 1 => found.retain(|(one, _)| one.architecture == wanted),
        _ => {}
    }
    ensure!(found.len() <= 1, "the archive holds several images: {}; name a platform", all.join(", "));
    found.pop().with_context(|| format!("the archive has no image for that platform, but {}", all.join(", ")))
}

/// Of an index, and of those in it, each manifest of an image: its configuration, and its layers.
fn indexed(documents: &BTreeMap<String, Value>, index: &Value) -> Vec<(String, Vec<String>)> {
    let entries = index["manifests"].as_array().into_iter().flatten();
    let documents_of = entries.filter_map(|entry| documents.get(&blob(entry)));
    let images = documents_of.flat_map(|document| {
        if document["manifests"].is_array() {
            return indexed(documents, document);
        }
        let layers = document["layers"].as_array().into_iter().flatten();
        let is_image = layers.clone().all(|layer| {
            // Attestations are manifests, too; what they hold is no file system.
            layer["mediaType"].as_str().is_some_and(|kind| kind.contains("tar"))
        });
        let image = (blob(&document["config"]), layers.map(blob).collect());
        is_image.then_some(image).into_iter().collect()
    });
    images.collect()
}

/// The older form of `docker save`, which has no index.
fn saved(manifest: &Value) -> Vec<(String, Vec<String>)> {
    let images = manifest.as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let layers = |image: &Value| image["Layers"].as_array().into_iter().flatten().map(text).collect();
    images.map(|image| (text(&image["Config"]), layers(image))).collect()
}

fn blob(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().unwrap_or_default().replace(':', "/"))
}

/// What made a layer, without what every builder writes around it.
fn told(created_by: &str) -> String {
    let text = created_by.trim_end_matches("# buildkit").trim();
    let text = text.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(text);
    let text =
        text.strip_prefix("RUN /bin/sh -c ").map_or_else(|| text.to_owned(), |rest| format!("RUN {rest}"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
