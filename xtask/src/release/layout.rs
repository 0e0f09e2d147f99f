//! The image as a folder (OCI image layout specification 1.1): that of each platform, and all of them joined.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use super::FOLDER;
use super::notes::Built;
use crate::run::{ask, program, run};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Where the image of a platform is, in its folder; and the joined one, in the folder of all.
const NAME: &str = "image";

/// An image whose `index.json` is its index itself, so that what pushes a folder pushes that very index.
pub struct Layout {
    pub folder: PathBuf,
    pub digest: String,
    /// Each platform with the descriptor of its manifest.
    pub manifests: Vec<(String, Value)>,
}

impl Layout {
    /// The layout of one platform, from what a builder wrote.
    pub fn unpack(platform: &str, archive: &Path) -> Result<Self> {
        let folder = Built::folder(platform).join(NAME);
        anew(&folder)?;
        let mut tar = program("tar");
        run("unpack it", tar.arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&folder))?;
        let written = read(&folder.join("index.json"))?;
        let Some([image]) = written["manifests"].as_array().map(Vec::as_slice) else {
            anyhow::bail!("the builder wrote another number of images than one");
        };
        ensure!(image["mediaType"] != INDEX, "the builder wrote an index where one image was asked for");
        let (os, architecture) = platform.split_once('/').context("a platform is OS/ARCHITECTURE")?;
        let described = json!({
            "mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"],
            "platform": {"architecture": architecture, "os": os},
        });
        write(folder, &[described])
    }

    /// What was unpacked for one platform.
    pub fn of(platform: &str) -> Result<Self> {
        open(Built::folder(platform).join(NAME))
    }

    /// The layout of these platforms, with the files of each.
    pub fn join(platforms: &[Built]) -> Result<Self> {
        let folder = Path::new(FOLDER).join(NAME);
        anew(&folder)?;
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        let mut manifests = Vec::new();
        for Built { platform, .. } in platforms {
            let one = Self::of(platform)?;
            for blob in fs::read_dir(one.folder.join("blobs/sha256"))? {
                let blob = blob?;
                let place = folder.join("blobs/sha256").join(blob.file_name());
                if !place.exists() {
                    fs::hard_link(blob.path(), place)?;
                }
            }
            manifests.extend(one.manifests.into_iter().map(|(_, manifest)| manifest));
        }
        fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        write(folder, &manifests)
    }

    /// A folder beside it in the form that engines load: its index names this image alone, and the image's own index is
    /// among the other files.
    pub fn archive(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new(FOLDER).join("archive");
        anew(&folder)?;
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for blob in fs::read_dir(self.folder.join("blobs/sha256"))? {
            let blob = blob?;
            fs::hard_link(blob.path(), blobs.join(blob.file_name()))?;
        }
        let index = self.folder.join("index.json");
        fs::copy(&index, blobs.join(self.digest.trim_start_matches("sha256:")))?;
        fs::copy(self.folder.join("oci-layout"), folder.join("oci-layout"))?;
        let image = json!({
            "mediaType": INDEX, "digest": self.digest, "size": fs::metadata(&index)?.len(),
            "annotations": {"io.containerd.image.name": name},
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]});
        fs::write(folder.join("index.json"), index.to_string())?;
        Ok(folder)
    }

    /// What was joined, which has to be what was built.
    pub fn joined() -> Result<Self> {
        let mut built = Vec::new();
        for Built { platform, .. } in Built::all()? {
            built.extend(Self::of(&platform)?.manifests);
        }
        let folder = Path::new(FOLDER).join(NAME);
        ensure!(folder.join("index.json").is_file(), "nothing was pushed: cargo xtask release push");
        let joined = open(folder)?;
        ensure!(joined.manifests == built, "what was pushed is not what was built: cargo xtask release push");
        Ok(joined)
    }
}

fn write(folder: PathBuf, manifests: &[Value]) -> Result<Layout> {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    fs::write(folder.join("index.json"), index.to_string())?;
    open(folder)
}

fn open(folder: PathBuf) -> Result<Layout> {
    let path = folder.join("index.json");
    let index = read(&path)?;
    let word =
        |manifest: &Value, name: &str| manifest["platform"][name].as_str().unwrap_or("unknown").to_owned();
    let manifests = index["manifests"].as_array().into_iter().flatten().map(|manifest| {
        (format!("{}/{}", word(manifest, "os"), word(manifest, "architecture")), manifest.clone())
    });
    Ok(Layout { digest: sha256(&path)?, manifests: manifests.collect(), folder })
}

fn anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).map_err(Into::into)
}

fn read(path: &Path) -> Result<Value> {
    serde_json::from_str(&fs::read_to_string(path)?)
        .with_context(|| format!("cannot read {}", path.display()))
}

/// The digest of a file, by sha256sum(1).
pub fn sha256(path: &Path) -> Result<String> {
    let told = ask(program("sha256sum").arg(path));
    let told = told.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("sha256:{}", told.split_whitespace().next().context("sha256sum tells a sum")?))
}
