//! What is known of an image once all that was signed of it is there: pure, so that it can be tried on what is wrong.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sigstore_verify::types::Bundle;

use super::release::{Release, payload};

/// What cosign says of an image that it signs.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// <https://slsa.dev/spec/v1.0/provenance>
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// <https://spdx.dev>
const CONTENTS: &str = "https://spdx.dev/Document";

/// A manifest, and what was signed of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signed {
    pub digest: String,
    /// The manifest itself, to the byte.
    pub manifest: String,
    pub bundles: Vec<String>,
}

/// All of an image that was released, as a registry or a file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evidence {
    pub image: Signed,
    pub platforms: Vec<Signed>,
}

/// What is known to be true of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub digest: String,
    pub signed_by: String,
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    pub platforms: Vec<Platform>,
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    #[serde(rename = "platform")]
    pub name: String,
    pub digest: String,
    /// How many packages its list names.
    pub packages: usize,
}

/// What an image's index says of its platforms, each with its digest.
pub fn platforms(index: &str) -> anyhow::Result<Vec<(String, String)>> {
    let index: Value = serde_json::from_str(index).context("the manifest is no JSON")?;
    let all = index["manifests"].as_array().context("it is the image of one platform, and not the image")?;
    let of = |manifest: &Value| {
        let platform = &manifest["platform"];
        let word = |name: &str| platform[name].as_str().unwrap_or("unknown").to_owned();
        let digest = manifest["digest"].as_str().context("a platform has no digest")?.to_owned();
        Ok((format!("{}/{}", word("os"), word("architecture")), digest))
    };
    // What builders lay beside images is called so; nobody runs it.
    let all: anyhow::Result<Vec<_>> = all.iter().map(of).collect();
    Ok(all?.into_iter().filter(|(platform, _)| platform != "unknown/unknown").collect())
}

/// Holds an image to those who vouch for it.
pub fn judge(release: &Release, evidence: &Evidence) -> anyhow::Result<Verified> {
    let image = Statements::of(release, &evidence.image);
    let (signed_by, _) = image.one(SIGNATURE, "signature")?;
    let (_, provenance) = image.one(PROVENANCE, "provenance")?;
    let parameters = &provenance["buildDefinition"]["externalParameters"];
    let word = |value: &Value, what: &str| {
        value.as_str().map(str::to_owned).with_context(|| format!("its provenance names no {what}"))
    };
    let commit = word(&parameters["source"]["digest"]["gitCommit"], "commit")?;
    let version = word(&parameters["version"], "version")?;
    let mut platforms_verified = Vec::new();
    for (platform, digest) in platforms(&evidence.image.manifest)? {
        let signed = evidence.platforms.iter().find(|signed| signed.digest == digest);
        let signed = signed.with_context(|| format!("nothing is known of the image for {platform}"))?;
        let statements = Statements::of(release, signed);
        let (_, contents) =
            statements.one(CONTENTS, &format!("list of what is in it (SBOM) for {platform}"))?;
        let packages = contents["packages"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(packages > 0, "its list for {platform} names no packages");
        platforms_verified.push(Platform { name: platform, digest, packages });
    }
    anyhow::ensure!(!platforms_verified.is_empty(), "it is for no platform");
    let digest = evidence.image.digest.clone();
    Ok(Verified { digest, signed_by, version, commit, platforms: platforms_verified })
}

/// That a tag of a version names that version: else an old image, with all that was signed of it, may be passed off as a
/// newer one.
pub fn is_of_its_tag(tag: Option<&str>, verified: &Verified) -> anyhow::Result<()> {
    let named = tag
        .and_then(|tag| tag.strip_prefix('v'))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match named {
        Some(named) if named != verified.version => {
            anyhow::bail!("it is version {}, and not {named}", verified.version)
        }
        _ => Ok(()),
    }
}

/// What those who vouch have said of a manifest; and why the rest does not count.
struct Statements {
    said: Vec<(String, Value)>,
    refused: BTreeSet<String>,
}

impl Statements {
    fn of(release: &Release, signed: &Signed) -> Self {
        let (mut said, mut refused) = (Vec::new(), BTreeSet::new());
        for text in &signed.bundles {
            match statement(release, &signed.manifest, text) {
                Ok(statement) => said.push(statement),
                Err(error) => {
                    refused.insert(format!("{error:#}"));
                }
            }
        }
        Self { said, refused }
    }

    /// The predicate of this kind, and who said it. A repeated run may have said it twice: the last one counts.
    fn one(&self, kind: &str, what: &str) -> anyhow::Result<(String, Value)> {
        let found = self.said.iter().rev().find(|(_, statement)| statement["predicateType"] == kind);
        if let Some((by, statement)) = found {
            return Ok((by.clone(), statement["predicate"].clone()));
        }
        let refused: Vec<_> = self.refused.iter().map(String::as_str).collect();
        match refused[..] {
            [] => anyhow::bail!("it has no {what}"),
            _ => anyhow::bail!("it has no good {what}: {}", refused.join("; ")),
        }
    }
}

/// Who has said what of a manifest. The verifier compares the digest that is spoken of with that of the bytes.
fn statement(release: &Release, manifest: &str, text: &str) -> anyhow::Result<(String, Value)> {
    let bundle = Bundle::from_json(text).context("cannot read a statement")?;
    let by = release.signer(manifest.as_bytes(), &bundle)?;
    let payload = payload(&bundle).context("it says nothing")?;
    Ok((by, serde_json::from_slice(payload).context("cannot read a statement")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;
    use sigstore_verify::crypto::{KeyPair, sha256};
    use sigstore_verify::types::pae;

    const KIND: &str = "application/vnd.in-toto+json";

    /// A statement about some bytes, as cosign keeps it.
    fn said(key: &KeyPair, about: &str, kind: &str, predicate: &Value) -> String {
        let subject = json!([{"digest": {"sha256": sha256(about.as_bytes()).to_hex()}}]);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": kind, "predicate": predicate,
        });
        let payload = statement.to_string();
        let signature = key.sign(&pae(KIND, payload.as_bytes())).unwrap();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": "a"}},
            "dsseEnvelope": {
                "payload": BASE64_STANDARD.encode(payload), "payloadType": KIND,
                "signatures": [{"sig": signature.to_base64()}],
            },
        })
        .to_string()
    }

    fn signed(manifest: &str, bundles: Vec<String>) -> Signed {
        let digest = format!("sha256:{}", sha256(manifest.as_bytes()).to_hex());
        Signed { digest, manifest: manifest.to_owned(), bundles }
    }

    fn release(key: &KeyPair) -> Release {
        let key = key.public_key_der().unwrap().to_pem();
        serde_json::from_value(json!({"image": "registry.test/mail", "key": key})).unwrap()
    }

    /// An image of one platform, all of which was signed.
    fn released(key: &KeyPair) -> Evidence {
        let platform = r#"{"schemaVersion":2}"#;
        let contents =
            said(key, platform, CONTENTS, &json!({"packages": [{"name": "one"}, {"name": "two"}]}));
        let platform = signed(platform, vec![contents]);
        let index = json!({"manifests": [
            {"digest": platform.digest, "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:00", "platform": {"os": "unknown", "architecture": "unknown"}},
        ]});
        let index = index.to_string();
        let parameters = json!({"version": "1.2.3", "source": {"digest": {"gitCommit": "c0ffee"}}});
        let provenance = json!({"buildDefinition": {"externalParameters": parameters}});
        let bundles =
            vec![said(key, &index, SIGNATURE, &json!({})), said(key, &index, PROVENANCE, &provenance)];
        Evidence { image: signed(&index, bundles), platforms: vec![platform] }
    }

    fn refused(evidence: &Evidence, key: &KeyPair) -> String {
        format!("{:#}", judge(&release(key), evidence).unwrap_err())
    }

    #[test]
    fn of_what_was_released_the_commit_and_what_is_in_it_is_told() {
        let key = KeyPair::generate_ecdsa_p256().unwrap();
        let verified = judge(&release(&key), &released(&key)).unwrap();
        assert_eq!([&*verified.version, &*verified.commit], ["1.2.3", "c0ffee"]);
        let [platform] = &verified.platforms[..] else { panic!("{verified:?}") };
        assert_eq!((&*platform.name, platform.packages), ("linux/amd64", 2));
    }

    #[test]
    fn whatever_is_missing_or_was_changed_is_refused_with_the_reason() {
        let (key, other) = (KeyPair::generate_ecdsa_p256().unwrap(), KeyPair::generate_ecdsa_p256().unwrap());
        let good = released(&key);
        assert!(refused(&good, &other).contains("it was not signed by the key of the release"));

        let mut bad = good.clone();
        bad.image.manifest.push(' ');
        assert!(refused(&bad, &key).contains("it was signed of something else"));

        for (place, missing) in [(0, "signature"), (1, "provenance")] {
            let mut bad = good.clone();
            bad.image.bundles.remove(place);
            assert_eq!(refused(&bad, &key), format!("it has no {missing}"));
        }
        let mut bad = good.clone();
        bad.platforms[0].bundles.clear();
        assert_eq!(refused(&bad, &key), "it has no list of what is in it (SBOM) for linux/amd64");
        bad.platforms.clear();
        assert_eq!(refused(&bad, &key), "nothing is known of the image for linux/amd64");

        // A list of an image for another platform.
        let mut bad = good.clone();
        bad.platforms[0].bundles[0] = said(&key, "else", CONTENTS, &json!({"packages": [{"name": "one"}]}));
        assert!(refused(&bad, &key).contains("it was signed of something else"));

        let mut bad = good.clone();
        let payload = BASE64_STANDARD.encode(r#"{"predicateType": "https://sigstore.dev/cosign/sign/v1"}"#);
        let mut bundle: Value = serde_json::from_str(&bad.image.bundles[0]).unwrap();
        bundle["dsseEnvelope"]["payload"] = payload.into();
        bad.image.bundles[0] = bundle.to_string();
        assert!(refused(&bad, &key).contains("it was not signed by the key of the release"));

        // One bad statement keeps no good one from counting.
        let mut more = good.clone();
        more.image.bundles.push(said(&other, &good.image.manifest, SIGNATURE, &json!({})));
        more.image.bundles.push("no JSON".to_owned());
        assert!(judge(&release(&key), &more).is_ok());
    }

    #[test]
    fn a_tag_of_a_version_is_that_version() {
        let key = KeyPair::generate_ecdsa_p256().unwrap();
        let verified = judge(&release(&key), &released(&key)).unwrap();
        for (tag, good) in [
            (None, true),
            (Some("v1.2.3"), true),
            (Some("v1.2.4"), false),
            (Some("latest"), true),
            (Some("1.2"), true),
            (Some("vacation"), true),
        ] {
            assert_eq!(is_of_its_tag(tag, &verified).is_ok(), good, "{tag:?}");
        }
    }
}
