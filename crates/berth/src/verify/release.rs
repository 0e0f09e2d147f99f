//! Who vouches for an image: whoever builds releases of berth, or who else is named in a file.

use std::path::Path;

use anyhow::Context;
use berth_engine::Folder;
use berth_report::{Code, Problem};
use serde::{Deserialize, Serialize};
use sigstore_verify::crypto::{self, KeyAlgorithm};
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Bundle, DerPublicKey, SignatureContent, Statement};
use sigstore_verify::{VerificationPolicy, Verifier};

/// Who builds releases of berth; the workflow that does is of the same repository.
const OWN: &str = include_str!("../../../../docker/release.json");

/// Who vouches for the images of an installation, in its state folder, where it is not who releases berth.
const KEPT: &str = "release.json";

/// Stands in it for what nobody has chosen yet.
const PLACEHOLDER: &str = "OWNER/REPO";

/// <https://github.com/in-toto/attestation/blob/main/spec/v1/envelope.md>
const STATEMENT: &str = "application/vnd.in-toto+json";

/// Tags of versions, in the name that the code host gives a workflow which runs for one.
const OF_A_VERSION: &str = "@refs/tags/v";

/// An image's name, and who signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Without a tag.
    pub image: String,
    #[serde(flatten)]
    signer: Signer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Signer {
    /// Whoever has the other half of this key, in PEM.
    Key { key: String },
    /// A workflow of a code host, which Sigstore gives a certificate for minutes.
    Workflow { workflow: String, issuer: String },
}

impl Release {
    /// That of a file, else our own.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::own()) };
        let problem = |source: anyhow::Error| {
            Problem::new(Code::Settings, format!("cannot read who signs from {}", file.display()))
                .because(source)
                .hint("docs/guide/releases.md says what is in it: the image's name, and a key or a workflow")
        };
        let text = fs_err::read_to_string(file).map_err(|error| problem(error.into()))?;
        Ok(serde_json::from_str(&text).map_err(|error| problem(error.into()))?)
    }

    /// That of a file, else the one that an installation was brought up with, else our own.
    pub fn of(folder: &Folder, file: Option<&Path>) -> anyhow::Result<Self> {
        let kept = folder.read(KEPT)?.map(|_| folder.path(KEPT));
        Self::read(file.or(kept.as_deref()))
    }

    /// Keeps it with an installation, so that whoever brings that up again need not name it again.
    pub fn keep(&self, folder: &Folder) -> anyhow::Result<()> {
        if *self == Self::own() && folder.read(KEPT)?.is_none() {
            return Ok(());
        }
        Ok(folder.write(KEPT, &serde_json::to_vec_pretty(self)?)?)
    }

    /// What is compiled in.
    pub fn own() -> Self {
        serde_json::from_str(OWN).expect("docker/release.json is tried by a test")
    }

    /// Whether an image has this name, whatever its tag or digest.
    pub fn is_name_of(&self, reference: &str) -> bool {
        self.is_known() && bare(reference) == self.image.to_lowercase()
    }

    /// Whether anybody has said who signs.
    fn is_known(&self) -> bool {
        !self.image.contains(PLACEHOLDER)
    }

    /// Who has signed what the bundle says of these bytes; why it is not one of those who vouch.
    pub fn signer(&self, bytes: &[u8], bundle: &Bundle) -> anyhow::Result<String> {
        match &self.signer {
            Signer::Key { key } => signed_by_key(key, bytes, bundle),
            Signer::Workflow { workflow, issuer } => {
                let root = TrustedRoot::from_json(SIGSTORE_PRODUCTION_TRUSTED_ROOT)
                    .context("Sigstore's own keys")?;
                let sigstore = Verifier::new(&root).context("Sigstore's own keys")?;
                let policy = VerificationPolicy::any_identity().require_issuer(issuer.as_str());
                let verified = sigstore.verify(bytes, bundle, &policy)?;
                let identity = verified.identity().map(|identity| identity.as_str().to_owned());
                let identity = identity.context("the certificate names nobody")?;
                anyhow::ensure!(
                    is_for_a_version(&identity, workflow),
                    "it was signed by {identity}, and not by {workflow} for a version"
                );
                Ok(identity)
            }
        }
    }

    /// That somebody vouches at all, with what to do when nobody does.
    pub fn known(self) -> anyhow::Result<Self> {
        if self.is_known() {
            return Ok(self);
        }
        Err(Problem::new(
            Code::Settings,
            "this berth was built by somebody who has not said who signs its images",
        )
        .hint("--release FILE names who does: docs/guide/releases.md")
        .into())
    }
}

/// Whether who signed is this workflow, at the tag of a version. Whoever may push a branch can have it run there, too.
fn is_for_a_version(identity: &str, workflow: &str) -> bool {
    identity.strip_prefix(workflow).is_some_and(|rest| rest.starts_with(OF_A_VERSION))
}

/// What a key has signed needs neither a log nor a clock, without which the verifier takes no bundle: so the signature is
/// asked for here, and that it is one of these bytes.
fn signed_by_key(key: &str, bytes: &[u8], bundle: &Bundle) -> anyhow::Result<String> {
    let public = DerPublicKey::from_pem(key).context("the key is no public key in PEM")?;
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        anyhow::bail!("it is no statement");
    };
    let scheme = KeyAlgorithm::from_spki(&public)?.default_signing_scheme();
    crypto::verify_signature(&public, &envelope.pae(), &envelope.signature.sig, scheme)
        .context("it was not signed by the key of the release")?;
    anyhow::ensure!(envelope.payload_type == STATEMENT, "it is no statement");
    let statement: Statement =
        serde_json::from_slice(envelope.payload.as_bytes()).context("cannot read a statement")?;
    let digest = crypto::sha256(bytes);
    let is_of_it = statement.subject.iter().any(|subject| subject.digest.sha256.as_ref() == Some(&digest));
    anyhow::ensure!(is_of_it, "it was signed of something else");
    Ok("the key of the release".to_owned())
}

/// What is signed of a bundle.
pub fn payload(bundle: &Bundle) -> Option<&[u8]> {
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Some(envelope.payload.as_bytes()),
        _ => None,
    }
}

/// An image's name without tag and digest. A port of a registry is no tag: a tag has no slash behind it.
fn bare(reference: &str) -> String {
    let name = reference.split('@').next().unwrap_or(reference);
    let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_is_read_and_vouches_for_nothing_until_somebody_is_named() {
        let own = Release::own();
        assert!(!own.is_name_of(&own.image));
        assert!(own.known().is_err());
    }

    #[test]
    fn the_workflow_vouches_for_versions_alone_and_no_other_workflow_does() {
        let workflow = "https://github.com/one/mail/.github/workflows/publish.yml";
        for (identity, vouches) in [
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/tags/v1.2.3", true),
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/tags/v2.0.0-rc.1", true),
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/heads/main", false),
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/heads/v1.2.3", false),
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/tags/trial", false),
            ("https://github.com/one/mail/.github/workflows/publish.yml@refs/pull/1/merge", false),
            ("https://github.com/one/mail/.github/workflows/publish.yml", false),
            ("https://github.com/one/mail/.github/workflows/nightly.yml@refs/tags/v1.2.3", false),
            ("https://github.com/one/mail/.github/workflows/publish.yml.yml@refs/tags/v1.2.3", false),
            ("https://github.com/two/mail/.github/workflows/publish.yml@refs/tags/v1.2.3", false),
            ("https://github.com/one/mail-too/.github/workflows/publish.yml@refs/tags/v1.2.3", false),
            ("https://example.com/one/mail/.github/workflows/publish.yml@refs/tags/v1.2.3", false),
            ("someone@example.com", false),
        ] {
            assert_eq!(is_for_a_version(identity, workflow), vouches, "{identity}");
        }
    }

    #[test]
    fn an_image_is_known_by_its_name_whatever_its_tag_or_digest() {
        let release = Release {
            image: "ghcr.io/one/mail-selfhosted".to_owned(),
            signer: Signer::Key { key: String::new() },
        };
        for (reference, ours) in [
            ("ghcr.io/one/mail-selfhosted", true),
            ("ghcr.io/one/mail-selfhosted:v1.2.3", true),
            ("ghcr.io/one/mail-selfhosted@sha256:00", true),
            ("ghcr.io/one/mail-selfhosted:v1@sha256:00", true),
            ("ghcr.io/One/Mail-selfhosted:latest", true),
            ("ghcr.io/one/mail-selfhosted-too:v1", false),
            ("ghcr.io/two/mail-selfhosted:v1", false),
            ("127.0.0.1:5000/one/mail-selfhosted:v1", false),
            ("berth/postbox:dev", false),
        ] {
            assert_eq!(release.is_name_of(reference), ours, "{reference}");
        }
    }
}
