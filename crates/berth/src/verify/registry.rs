//! What a registry has of an image: its manifests, and what was signed of them. Nothing here is believed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::io::AsyncWrite;

/// What signatures and statements are kept as, since cosign 3.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const KINDS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A list of what is in an image takes some hundred kilobytes.
const LARGEST: i64 = 64 << 20;

/// So many statements about one image; another number is somebody's joke.
const MOST: usize = 64;

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry, for one image.
pub struct Registry {
    client: Client,
    image: Reference,
}

/// Bytes that have this digest.
pub struct Manifest {
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl Registry {
    /// The one that an image's name leads to. Those of this machine need no TLS, as with Docker.
    pub fn of(image: Reference) -> Self {
        let registry = image.resolve_registry().to_owned();
        let host = registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host);
        let is_here = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
        let protocol = if is_here { ClientProtocol::Http } else { ClientProtocol::Https };
        let client = Client::new(ClientConfig {
            protocol,
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: concat!("berth/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        Self { client, image }
    }

    /// The manifest that the name means, or the one of a digest. The digest was compared with the bytes.
    pub async fn manifest(&self, digest: Option<&str>) -> anyhow::Result<Manifest> {
        let image = digest
            .map_or_else(|| self.image.clone(), |digest| self.image.clone_with_digest(digest.to_owned()));
        let pulled = self.client.pull_manifest_raw(&image, &RegistryAuth::Anonymous, &KINDS).await;
        let (bytes, digest) = pulled.with_context(|| format!("cannot get {image}"))?;
        Ok(Manifest { digest, bytes: bytes.to_vec() })
    }

    /// What was signed of a manifest, each as its text.
    pub async fn bundles(&self, digest: &str) -> anyhow::Result<Vec<String>> {
        let image = self.image.clone_with_digest(digest.to_owned());
        let all = self.client.pull_referrers(&image, None).await;
        let all = all.with_context(|| format!("cannot ask what was signed of {image}"))?;
        let mut bundles = Vec::new();
        for entry in all.manifests.iter().filter(|entry| entry.media_type == MANIFEST).take(MOST) {
            let Manifest { bytes, .. } = self.manifest(Some(&entry.digest)).await?;
            let manifest: OciImageManifest =
                serde_json::from_slice(&bytes).context("cannot read a manifest")?;
            let Some(layer) = manifest.layers.first().filter(|layer| layer.media_type == BUNDLE) else {
                continue;
            };
            anyhow::ensure!(layer.size <= LARGEST, "a statement of {} bytes is too large", layer.size);
            let mut text =
                Bounded { bytes: Vec::new(), most: usize::try_from(layer.size).unwrap_or_default() };
            let pulled = self.client.pull_blob(&image, layer, &mut text).await;
            pulled.with_context(|| format!("cannot get what was signed of {image}"))?;
            bundles.push(String::from_utf8(text.bytes).context("a statement is no text")?);
        }
        Ok(bundles)
    }
}

/// Takes as many bytes as were said, whatever is sent.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, sent: &[u8]) -> Poll<io::Result<usize>> {
        if self.bytes.len() + sent.len() > self.most {
            return Poll::Ready(Err(io::Error::other("it is larger than its registry said")));
        }
        self.bytes.extend_from_slice(sent);
        Poll::Ready(Ok(sent.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn no_more_is_taken_than_was_said() {
        let mut bounded = Bounded { bytes: Vec::new(), most: 3 };
        let mut write =
            |sent| Pin::new(&mut bounded).poll_write(&mut Context::from_waker(Waker::noop()), sent);
        assert!(matches!(write(b"abc"), Poll::Ready(Ok(3))));
        assert!(matches!(write(b"d"), Poll::Ready(Err(_))));
        assert_eq!(bounded.bytes, b"abc");
    }
}
