//! `berth verify`: whether an image is the one that was released: who signed it, from which commit it was built, and what
//! is in it. The same holds up images of a release that `berth up` is given.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use berth_engine::Folder;
use berth_report::{Code, Problem};
use clap::Args;
use oci_client::Reference;
use serde::Serialize;

mod judge;
mod registry;
mod release;

use crate::{stdout, table};
use judge::Signed;
pub use judge::{Evidence, Verified};
use registry::{Manifest, Registry};
pub use release::Release;

/// How long a registry may take for all of it.
const PATIENCE: Duration = Duration::from_mins(5);

/// The folder of what was signed, in the state folder.
const KEPT: &str = "signed";

#[derive(Debug, Args)]
pub struct Verify {
    /// The image, by its tag or its digest
    image: String,
    /// Who signs it, a file: docs/guide/releases.md [default: who releases berth]
    #[arg(long, env = "BERTH_RELEASE", value_name = "FILE", hide_env_values = true)]
    release: Option<PathBuf>,
    /// Also write what was signed of it into a file, for a host that reaches no registry
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// As JSON (docs/reference/berth.md)
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    image: &'a str,
    good: bool,
    /// Why not.
    problem: Option<String>,
    #[serde(flatten)]
    verified: Option<Verified>,
}

pub fn run(asked: &Verify) -> anyhow::Result<ExitCode> {
    let release = Release::read(asked.release.as_deref())?.known()?;
    let verified = fetch(&asked.image).and_then(|found| {
        let verified = judge(&release, &asked.image, &found)?;
        if let Some(file) = &asked.evidence {
            fs_err::write(file, serde_json::to_vec(&found)?)?;
        }
        Ok(verified)
    });
    if asked.json {
        let problem = verified.as_ref().err().map(|error| format!("{error:#}"));
        let good = problem.is_none();
        let report = Report { image: &asked.image, good, problem, verified: verified.ok() };
        stdout::print(&(serde_json::to_string_pretty(&report)? + "\n"));
        return Ok(ExitCode::from(u8::from(!good)));
    }
    stdout::print(&told(&asked.image, &verified?));
    Ok(ExitCode::SUCCESS)
}

/// Whether what a name means here, an image of this digest, is of the release, as the release's registry has it.
pub fn image(release: &Release, name: &str, digest: &str) -> anyhow::Result<Verified> {
    judge(release, name, &fetch(&format!("{}@{digest}", release.image.to_lowercase()))?)
}

/// What a registry has to say of an image.
fn fetch(name: &str) -> anyhow::Result<Evidence> {
    let reference: Reference = name.parse().map_err(|error| {
        Problem::new(Code::Usage, format!("{name} is no name of an image"))
            .because(anyhow::Error::new(error))
            .hint("such as ghcr.io/OWNER/REPO-selfhosted:v1.2.3, or with @sha256:…")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = async {
        let waited = tokio::time::timeout(PATIENCE, evidence(reference)).await;
        waited.unwrap_or_else(|_| Err(anyhow!("it took longer than {} minutes", PATIENCE.as_secs() / 60)))
    };
    runtime.block_on(asked).map_err(|error| {
        Problem::new(Code::Unavailable, format!("cannot ask the registry of {name} who signed it"))
            .because(error)
            .hint("is it reachable from here? A host that reaches none gets a file: `berth image load`")
            .into()
    })
}

/// Holds what somebody brought of an image to those who vouch for it, and to what its name says.
pub fn judge(release: &Release, name: &str, evidence: &Evidence) -> anyhow::Result<Verified> {
    let tag = name.parse::<Reference>().ok().and_then(|reference| reference.tag().map(str::to_owned));
    let verified = judge::judge(release, evidence).and_then(|verified| {
        judge::is_of_its_tag(tag.as_deref(), &verified)?;
        Ok(verified)
    });
    verified.map_err(|error| refused(name, error))
}

/// Keeps what was signed of an image with the installation. It is judged anew each time, for the folder is no proof.
pub fn keep(folder: &Folder, evidence: &Evidence) -> anyhow::Result<()> {
    folder.make(Path::new(KEPT), 0o700)?;
    Ok(folder.write(&place(&evidence.image.digest), &serde_json::to_vec(evidence)?)?)
}

/// What was kept of a digest.
pub fn kept(folder: &Folder, digest: &str) -> anyhow::Result<Option<Evidence>> {
    let text = folder.read(&place(digest))?;
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .context("cannot read what was signed of the image")
}

fn place(digest: &str) -> String {
    format!("{KEPT}/{}.json", digest.replace(':', "-"))
}

/// Whether it could not be found out, rather than being wrong.
pub fn is_out_of_reach(error: &anyhow::Error) -> bool {
    berth_report::code(error) == Code::Unavailable
}

fn refused(name: &str, error: anyhow::Error) -> anyhow::Error {
    Problem::new(Code::Failure, format!("{name} is not what was released"))
        .because(error)
        .hint("do not run it; docs/guide/releases.md says who signs releases, and what else it can be")
        .into()
}

/// All that a registry has to say of an image.
async fn evidence(reference: Reference) -> anyhow::Result<Evidence> {
    let registry = Registry::of(reference);
    let image = signed(&registry, registry.manifest(None).await?).await?;
    let mut platforms = Vec::new();
    for (_, digest) in judge::platforms(&image.manifest).unwrap_or_default() {
        platforms.push(signed(&registry, registry.manifest(Some(&digest)).await?).await?);
    }
    Ok(Evidence { image, platforms })
}

async fn signed(registry: &Registry, manifest: Manifest) -> anyhow::Result<Signed> {
    let bundles = registry.bundles(&manifest.digest).await?;
    let text = String::from_utf8(manifest.bytes).context("a manifest is no text")?;
    Ok(Signed { digest: manifest.digest, manifest: text, bundles })
}

/// What is known of it, for a person.
pub fn told(image: &str, verified: &Verified) -> String {
    let mut rows = vec![
        vec!["image".to_owned(), image.to_owned()],
        vec!["digest".to_owned(), verified.digest.clone()],
        vec!["signed by".to_owned(), verified.signed_by.clone()],
        vec!["version".to_owned(), verified.version.clone()],
        vec!["commit".to_owned(), verified.commit.clone()],
    ];
    for one in &verified.platforms {
        rows.push(vec![one.name.clone(), format!("{}, {} packages", one.digest, one.packages)]);
    }
    table::columns(&rows) + "\nIt is what was released.\n"
}
