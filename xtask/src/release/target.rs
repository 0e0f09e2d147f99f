//! Where a release goes, and who vouches for it: docker/release.json, or a registry of this machine.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde::Deserialize;

/// Also compiled into `berth`, which holds images of this name to it.
const FILE: &str = "docker/release.json";

/// Stands in it for what nobody has chosen yet.
const PLACEHOLDER: &str = "OWNER/REPO";

#[derive(Deserialize)]
struct Listed {
    image: String,
}

/// An image's name, without a tag.
pub struct Target {
    pub registry: String,
    /// With the registry.
    pub image: String,
}

impl Target {
    /// The published place, or the same path at another registry.
    pub fn of(registry: Option<&str>) -> Result<Self> {
        let listed: Listed = serde_json::from_str(&fs::read_to_string(FILE)?).context(FILE)?;
        let (own, path) = listed.image.split_once('/').context("the image's name has a registry in it")?;
        let registry = registry.unwrap_or(own).trim_end_matches('/').to_owned();
        ensure!(!registry.is_empty() && !registry.contains('@'), "{registry:?} is no registry");
        let image = format!("{registry}/{}", path.to_lowercase());
        Ok(Self { registry, image })
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    }

    /// Whether somebody has said which repository it is.
    pub fn is_chosen() -> Result<bool> {
        Ok(!fs::read_to_string(FILE)?.contains(PLACEHOLDER))
    }

    /// The image of this digest.
    pub fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_of_this_machine_is_known_by_its_name() {
        for (registry, local) in [
            ("127.0.0.1:5000", true),
            ("localhost:1", true),
            ("ghcr.io", false),
            ("127.0.0.1.example", false),
        ] {
            let target = Target { registry: registry.to_owned(), image: String::new() };
            assert_eq!(target.is_local(), local, "{registry}");
        }
    }
}
