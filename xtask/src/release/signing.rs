//! Signs what was pushed, with cosign: a signature of the image, its provenance, and for each platform what is in it. They
//! are kept beside the image in its registry, where `cosign verify` and `berth verify` look for them, and in
//! `target/publish/bundles`, for hosts that reach no registry.
//!
//! With a key they are signed by that key. Without one, in a workflow, cosign asks the code host who it is, gets a
//! certificate for minutes from Sigstore, and writes down in a public log that it has signed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::{Value, json};

use super::layout::Layout;
use super::notes::Built;
use super::target::Target;
use super::{FOLDER, programs, provenance, sbom, verifying};
use crate::run::{run, say};

/// What cosign reads the key's password from.
const PASSWORD: &str = "COSIGN_PASSWORD";

/// What cosign calls the two kinds of statements.
const PROVENANCE: &str = "slsaprovenance1";
const CONTENTS: &str = "spdxjson";

/// With a key nobody else is asked: neither a log nor a clock.
const ALONE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}"#;

/// Who signs.
pub struct Signer {
    /// The words for cosign.
    words: Vec<String>,
    /// The password of a key that we made ourselves.
    password: Option<&'static str>,
}

pub fn sign(target: &Target, key: Option<&Path>) -> Result<()> {
    let signer = Signer::of(target, key)?;
    let (layout, built) = (Layout::joined()?, Built::all()?);
    // A run that was cut off is repeated: what is there is not said twice.
    if verifying::is_good(target, &built[0].commit)? {
        say(&format!("{} is signed already", target.at(&layout.digest)));
        return Ok(());
    }
    let bundles = Path::new(FOLDER).join("bundles");
    fs::create_dir_all(&bundles)?;

    let image = target.at(&layout.digest);
    signer.run(&["sign"], &bundles.join("signature.json"), &image)?;
    let (repository, job) =
        (workflow(&["GITHUB_REPOSITORY"]), workflow(&["GITHUB_REPOSITORY", "actions/runs", "GITHUB_RUN_ID"]));
    let predicate = provenance::predicate(&built, repository.as_deref(), job.as_deref());
    let predicate = predicate.context("something was built")?;
    signer.attest(target, &layout.digest, PROVENANCE, &predicate, "provenance")?;
    for (platform, manifest) in &layout.manifests {
        let digest = manifest["digest"].as_str().context("a manifest has a digest")?;
        let list = fs::read_to_string(sbom::path(platform))?;
        let list: Value = serde_json::from_str(&list).context("cannot read the SBOM")?;
        signer.attest(target, digest, CONTENTS, &list, &format!("sbom-{}", platform.replace('/', "-")))?;
    }
    say(&format!("{image} is signed"));
    Ok(())
}

impl Signer {
    pub fn of(target: &Target, key: Option<&Path>) -> Result<Self> {
        let (key, password) = match key {
            Some(key) => (key.to_owned(), None),
            None if target.is_local() => (made_here()?, Some("")),
            None if std::env::var_os("ACTIONS_ID_TOKEN_REQUEST_URL").is_some() => {
                return Ok(Self { words: Vec::new(), password: None });
            }
            None => bail!("nobody is here to sign for {}: --key FILE, or the workflow", target.registry),
        };
        if !key.is_file() {
            bail!("there is no key {}: `cosign generate-key-pair` makes one", key.display());
        }
        publish_key(target, &key)?;
        let configuration = Path::new(FOLDER).join("signing-config.json");
        fs::write(&configuration, ALONE)?;
        let words = [
            "--key".to_owned(),
            key.display().to_string(),
            "--signing-config".to_owned(),
            configuration.display().to_string(),
        ];
        Ok(Self { words: words.into(), password })
    }

    fn attest(&self, target: &Target, digest: &str, kind: &str, predicate: &Value, name: &str) -> Result<()> {
        let path = Path::new(FOLDER).join(format!("{name}.predicate.json"));
        fs::write(&path, predicate.to_string())?;
        let words = ["attest", "--type", kind, "--predicate", &path.display().to_string()];
        let bundle = Path::new(FOLDER).join("bundles").join(format!("{name}.json"));
        self.run(&words, &bundle, &target.at(digest))
    }

    /// Signs a file, beside which the signature is put.
    pub fn file(&self, file: &Path) -> Result<()> {
        let mut bundle = file.as_os_str().to_owned();
        bundle.push(".sigstore.json");
        let mut sign = programs::cosign()?;
        sign.args(["sign-blob", "--yes"]).args(&self.words).arg("--bundle").arg(bundle).arg(file);
        if let Some(password) = self.password {
            sign.env(PASSWORD, password);
        }
        // What it prints to stdout is the signature, which the bundle has too.
        run(&format!("sign {}", file.display()), &mut sign).map(drop)
    }

    fn run(&self, words: &[&str], bundle: &Path, image: &str) -> Result<()> {
        let mut sign = programs::cosign()?;
        sign.args(words).arg("--yes").args(&self.words).arg("--bundle").arg(bundle);
        // Only registries of this machine have no TLS; elsewhere it is no permission but a word without effect.
        if image.starts_with("127.0.0.1:") || image.starts_with("localhost:") || image.starts_with("[::1]:") {
            sign.arg("--allow-insecure-registry");
        }
        if let Some(password) = self.password {
            sign.env(PASSWORD, password);
        }
        run(&format!("{} {image}", words[0]), sign.arg(image)).map(drop)
    }
}

/// A key for trying it out: it opens nothing, and goes with `target`.
fn made_here() -> Result<PathBuf> {
    let key = Path::new(FOLDER).join("trial.key");
    if !key.exists() {
        let mut make = programs::cosign()?;
        make.env(PASSWORD, "").args(["generate-key-pair", "--output-key-prefix"]).arg(key.with_extension(""));
        run("make a key for trying it out", &mut make)?;
    }
    Ok(key)
}

/// What `berth verify --release FILE` takes: the image's name, and the key that vouches for it.
fn publish_key(target: &Target, key: &Path) -> Result<()> {
    let beside = key.with_extension("pub");
    let public =
        fs::read_to_string(&beside).with_context(|| format!("the public half of {}", key.display()))?;
    let release = json!({"image": target.image, "key": public});
    fs::write(Path::new(FOLDER).join("release.json"), serde_json::to_string_pretty(&release)? + "\n")
        .map_err(Into::into)
}

/// An address at the code host, where its workflow runs us; a name in capitals is a variable of it.
fn workflow(parts: &[&str]) -> Option<String> {
    let mut address = std::env::var("GITHUB_SERVER_URL").ok()?;
    for part in parts {
        let is_variable = part.starts_with("GITHUB_");
        let word = if is_variable { std::env::var(part).ok()? } else { (*part).to_owned() };
        address = format!("{address}/{word}");
    }
    Some(address)
}
