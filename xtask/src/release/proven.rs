//! Which published application images this version was tried with: each night the newest is made ours, looked into, brought
//! up with its stores until its roles are healthy, and proven; then the tests that hold of every image are run on it. Its
//! digest goes into a signed list, with how far the proof went. Accounts can be made in the sample alone: of another
//! application the protocols are proven, and no mail is sent.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::build;
use super::installation::{Installation, with_installation};
use super::version::Version;
use crate::docker::Docker;
use crate::run::{ask, program, run, say};
use crate::{programs, test};

/// The list of this version, from the root of the clone.
pub const LIST: &str = "target/publish/proven.json";

/// Another name than anything that is released.
const TAG: &str = "berth/release:derived";

/// Does what proves an image, and gives what it passed.
pub fn prove(docker: &Docker, version: &Version, from: &str, rest: &[String]) -> Result<Value> {
    ensure!(
        geteuid().is_root(),
        "its tests look at processes in containers from outside, and kill them: run it as root"
    );
    for (name, word) in [("python3", "--version"), ("openssl", "version")] {
        ensure!(ask(program(name).arg(word)).is_some(), "its tests need {name}");
    }
    if docker.ask(["image", "inspect", from]).is_none() {
        run(&format!("fetch {from}"), &mut docker.command(["pull", "--quiet", from]))?;
    }
    let digests = docker.done(["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", from])?;
    let digest = digests.split(' ').next().filter(|digest| !digest.is_empty());
    let digest =
        digest.with_context(|| format!("{from} has no digest of a registry: push it to one first"))?;
    let mut derive = program(programs::xtask()?);
    derive.args(["build-image", "--from", from, "--tag", TAG]);
    run("make it ours, and look into it", &mut derive)?;
    let proven = |installation: &Installation<'_>| Ok((installation.roles()?, installation.proven()?));
    let passed = with_installation(docker, TAG, rest, proven).and_then(|(roles, extent)| {
        say("the tests that hold of every image, on this one");
        Ok((roles, extent, test::contract(docker, TAG, rest)?))
    });
    docker.ask(["image", "rm", TAG]);
    let (roles, extent, tests) = passed?;
    say(&format!("{digest} is proven with {version}: {tests} tests, and {extent} as far as the proof goes"));
    let date = ask(program("date").args(["--utc", "+%Y-%m-%d"])).context("cannot ask date(1)")?;
    let commit = &build::commit(Path::new("."))?;
    let proof = Proof { version, commit, roles, extent: &extent, tests };
    Ok(entry(digest, &proof, date.trim()))
}

/// Puts what an image passed into the list.
pub fn note(list: &Path, proof: &Value) -> Result<()> {
    let before = match fs::read_to_string(list) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        text => serde_json::from_str(&text?).with_context(|| format!("cannot read {}", list.display()))?,
    };
    let text = serde_json::to_string_pretty(&with(before, proof.clone()))? + "\n";
    fs::write(list, text).map_err(Into::into)
}

/// What an image has passed.
struct Proof<'a> {
    /// Of berth.
    version: &'a Version,
    commit: &'a str,
    roles: Vec<String>,
    extent: &'a str,
    /// How many of the tests that hold of every image.
    tests: u32,
}

fn entry(digest: &str, proof: &Proof<'_>, date: &str) -> Value {
    let Proof { version, commit, roles, extent, tests } = proof;
    let version = version.to_string();
    json!({
        "image": digest, "version": version, "commit": commit, "roles": roles, "extent": extent, "tests": tests,
        "proven": date,
    })
}

/// The list with this entry; an older one of the same image and version goes.
fn with(mut list: Vec<Value>, new: Value) -> Vec<Value> {
    list.retain(|entry| (&entry["image"], &entry["version"]) != (&new["image"], &new["version"]));
    list.push(new);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof<'a>(version: &'a Version, commit: &'a str) -> Proof<'a> {
        Proof {
            version,
            commit,
            roles: vec!["web".to_owned(), "mx".to_owned()],
            extent: "protocols",
            tests: 14,
        }
    }

    #[test]
    fn an_entry_says_how_far_the_proof_went_and_of_what() {
        let version = Version::parse("1.2.3").unwrap();
        let proof = proof(&version, "c0ffee");
        let new = entry("registry.test/mail@sha256:1", &proof, "2026-01-02");
        let expected = json!({
            "image": "registry.test/mail@sha256:1", "version": "1.2.3", "commit": "c0ffee",
            "roles": ["web", "mx"], "extent": "protocols", "tests": 14, "proven": "2026-01-02",
        });
        assert_eq!(new, expected);
    }

    #[test]
    fn the_last_proof_of_an_image_with_a_version_is_the_one_that_is_kept() {
        let of = |image: &str, version: &str, commit: &str| {
            let version = Version::parse(version).unwrap();
            entry(image, &proof(&version, commit), "2026-01-02")
        };
        let before = vec![of("a", "1.0.0", "1"), of("a", "2.0.0", "2"), of("b", "1.0.0", "3")];
        let after = with(before.clone(), of("a", "1.0.0", "4"));
        assert_eq!(after, [before[1].clone(), before[2].clone(), of("a", "1.0.0", "4")]);
    }
}
