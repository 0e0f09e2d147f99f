//! A release, from the sources to a registry of this machine, and what an operator does with it: verify, pull, refuse what
//! was changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use berth_tests::{Ran, berth, release_program, root};
use serde_json::{Value, json};

use crate::contributor;
use crate::engine::Engine;
use crate::installation::image;
use crate::registry::Registry;

/// The path that docker/release.json names, at any registry.
const PATH: &str = "owner/repo-selfhosted";

fn own_platform() -> &'static str {
    if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" }
}

/// For which platforms it is built: `cargo xtask soak release` says both, and then the static `berth` is in it, too. The
/// one of this machine has the packages and layers of the other tests, and takes seconds.
fn platforms() -> String {
    std::env::var("BERTH_TEST_PLATFORMS").unwrap_or_else(|_| own_platform().to_owned())
}

/// A registry of this machine, and a release in it.
struct Released {
    engine: Engine,
    registry: Registry,
}

impl Drop for Released {
    fn drop(&mut self) {
        let of = format!("{}/*/*", self.registry.address);
        for image in self.engine.run(&["image", "ls", "--quiet", &of]).out.lines() {
            self.engine.run(&["image", "rm", "--force", image]);
        }
    }
}

/// What a release is made into.
fn published(inside: &str) -> PathBuf {
    root().join("target/publish").join(inside)
}

impl Released {
    fn new() -> Option<Self> {
        let engine = Engine::new()?;
        // What an earlier run has published may be of another commit.
        let _ = fs_err::remove_dir_all(published(""));
        let registry = Registry::of(contributor::in_this_clone(&engine))?;
        Some(Self { engine, registry })
    }

    fn release(&self, words: &[&str]) -> Ran {
        let platforms = platforms();
        let mut all = vec!["--registry", &self.registry.address, "--platform", &platforms];
        if platforms == own_platform() {
            all.push("--without-berth");
        }
        Ran::run(contributor::in_this_clone(&self.engine).arg("release").args(words).args(all))
    }

    fn image(&self) -> String {
        format!("{}/{PATH}", self.registry.address)
    }

    fn berth(&self, words: &[&str]) -> Ran {
        let mut command = self.engine.program(berth());
        command.env("BERTH_RELEASE", published("release.json")).args(words);
        command.env("BERTH_STATE", self.engine.case.path("state"));
        Ran::run(&mut command)
    }

    /// What `berth verify --json` says of a tag or digest.
    fn verify(&self, behind: &str) -> Value {
        let ran = self.berth(&["verify", "--json", &format!("{}{behind}", self.image())]);
        let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:#?}"));
        assert_eq!(ran.code, Some(i32::from(told["good"] != true)), "{ran:#?}");
        told
    }

    /// Asks the registry, with curl.
    fn ask(&self, words: &[&str], path: &str) -> String {
        let mut curl = self.engine.case.command("curl");
        curl.args(["--silent", "--show-error", "--fail"]).args(words);
        Ran::done(curl.arg(format!("http://{}/v2/{PATH}/{path}", self.registry.address))).out
    }

    fn manifest(&self, of: &str) -> String {
        let kind =
            "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        self.ask(&["--header", kind], &format!("manifests/{of}"))
    }

    /// Puts a manifest under a tag, and gives its digest.
    fn put(&self, tag: &str, manifest: &Value) -> String {
        let text = self.engine.case.write("manifest", &manifest.to_string());
        let kind = format!("Content-Type: {}", manifest["mediaType"].as_str().unwrap());
        let data = format!("@{}", text.display());
        self.ask(
            &["--request", "PUT", "--header", &kind, "--data-binary", &data],
            &format!("manifests/{tag}"),
        );
        let mut sum = self.engine.case.command("sha256sum");
        format!("sha256:{}", Ran::done(sum.arg(text)).out.split(' ').next().unwrap())
    }

    fn tags(&self) -> BTreeSet<String> {
        let list: Value = serde_json::from_str(&self.ask(&[], "tags/list")).unwrap();
        let tags = list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
        tags.filter(|tag| !tag.starts_with("sha256-")).collect()
    }
}

/// The names of packages that a list has, of one kind.
fn listed(list: &Value, kind: &str) -> BTreeSet<String> {
    let packages = list["packages"].as_array().unwrap().iter();
    let of_kind = packages.filter(|package| {
        let references = package["externalRefs"].as_array().into_iter().flatten();
        references.filter_map(|it| it["referenceLocator"].as_str()).any(|it| it.starts_with(kind))
    });
    of_kind.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_release_is_verified_as_an_operator_does_and_what_was_changed_is_refused() {
    let Some(released) = Released::new() else { return };
    let ran = released.release(&[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.err.contains("12 roles were healthy"), "{}", ran.err);
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor, _] = version.split('.').collect::<Vec<_>>()[..] else { panic!("{version}") };
    let expected = [format!("v{version}"), format!("{major}.{minor}"), major.to_owned(), "latest".to_owned()];
    assert_eq!(released.tags(), expected.clone().into());

    let told = released.verify(&format!(":{}", expected[0]));
    assert_eq!(told["good"], true, "{told:#}");
    assert_eq!(told["version"], version);
    let mut git = released.engine.case.command("git");
    let commit = Ran::done(git.arg("-C").arg(root()).args(["rev-parse", "HEAD"])).out;
    assert!(told["commit"].as_str().unwrap().starts_with(commit.trim()), "{told:#} {commit}");
    let built: Vec<_> =
        told["platforms"].as_array().unwrap().iter().map(|it| it["platform"].clone()).collect();
    assert_eq!(json!(built), json!(platforms().split(',').collect::<Vec<_>>()));

    it_lists_what_is_in_the_image(&released, &told);
    cosign_finds_the_same(&released, &told);
    a_mirror_has_what_was_signed(&released, &told);
    a_second_run_changes_nothing(&released, &told);
    it_is_brought_up_and_what_was_changed_is_not(&released, &told);
    it_comes_from_a_file_where_there_is_no_registry(released, &told);
}

/// By digest, as an operator pulls it; and what is in it is in the list.
fn it_lists_what_is_in_the_image(released: &Released, told: &Value) {
    let image = format!("{}@{}", released.image(), told["digest"].as_str().unwrap());
    released.engine.done(&["pull", "--quiet", &image]);
    let own = platforms().split(',').next().unwrap().replace('/', "-");
    let list = fs_err::read_to_string(published(&own).join("sbom.spdx.json")).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let there = |words: &[&str]| -> BTreeSet<String> {
        let run = ["run", "--rm", "--network=none", &image, "--"];
        let told = released.engine.done(&[&run[..], words].concat());
        told.lines().map(|line| line.trim().to_owned()).collect()
    };
    let debian = there(&["dpkg-query", "--show", "--showformat=${Package}\\n"]);
    assert!(debian.len() > 50 && debian.is_subset(&listed(&list, "pkg:deb/")), "{debian:#?}");
    let names = "const {readFileSync: read, globSync: glob} = require('fs'); for (const path of \
                 glob('/app/node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json')) console.log(JSON.parse(read(path)).name)";
    let npm = there(&["node", "--no-warnings", "-e", names]);
    assert!(npm.len() > 50, "{npm:#?}");
    let missing: Vec<_> = npm.difference(&listed(&list, "pkg:npm/")).cloned().collect();
    assert_eq!(missing, Vec::<String>::new());
    assert!(
        listed(&list, "pkg:cargo/").is_superset(&["berth-init", "rustls", "tokio"].map(str::to_owned).into())
    );
    released.engine.run(&["image", "rm", &image]);
}

/// The tool that others have.
fn cosign_finds_the_same(released: &Released, told: &Value) {
    let image = format!("{}@{}", released.image(), told["digest"].as_str().unwrap());
    let mut cosign = released.engine.case.command(release_program("cosign").unwrap());
    cosign.args(["verify", "--insecure-ignore-tlog=true", "--allow-insecure-registry", "--key"]);
    Ran::done(cosign.arg(published("trial.pub")).arg(image));
}

/// As docs/guide/releases.md copies it.
fn a_mirror_has_what_was_signed(released: &Released, told: &Value) {
    let mirror = format!("{}/elsewhere/mail", released.registry.address);
    let mut crane = released.engine.case.command(release_program("crane").unwrap());
    Ran::done(crane.args(["copy", "--all-tags", &released.image(), &mirror]));
    let image = format!("{mirror}@{}", told["digest"].as_str().unwrap());
    let ran = released.berth(&["verify", &image]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.contains("It is what was released."), "{}", ran.out);
}

/// A run that was cut off is repeated: nothing is published twice.
fn a_second_run_changes_nothing(released: &Released, told: &Value) {
    let digest = told["digest"].as_str().unwrap();
    let statements = || released.manifest(&digest.replace(':', "-"));
    let (before, tags) = (statements(), released.tags());
    for step in ["push", "sign", "verify", "tags"] {
        let ran = released.release(&[step]);
        assert_eq!(ran.code, Some(0), "{step}: {ran:#?}");
    }
    assert_eq!((statements(), released.tags()), (before, tags));
}

fn it_is_brought_up_and_what_was_changed_is_not(released: &Released, told: &Value) {
    let digest = told["digest"].as_str().unwrap();
    let mut changed: Value = serde_json::from_str(&released.manifest(digest)).unwrap();
    changed["annotations"] = json!({"changed": "by a byte"});
    let other = released.put("changed", &changed);
    let why = |behind: &str| released.verify(behind)["problem"].as_str().unwrap().to_owned();
    assert!(why(":changed").contains("it has no signature"), "{}", why(":changed"));

    // With all that was signed of the good one.
    let statements: Value = serde_json::from_str(&released.manifest(&digest.replace(':', "-"))).unwrap();
    released.put(&other.replace(':', "-"), &statements);
    assert!(why(":changed").contains("it was signed of something else"), "{}", why(":changed"));

    // A good image under the tag of another version.
    released.put("v99.0.0", &serde_json::from_str(&released.manifest(digest)).unwrap());
    assert!(why(":v99.0.0").contains("and not 99.0.0"), "{}", why(":v99.0.0"));

    // A byte of what was signed, where the registry keeps it.
    let statement: Value =
        serde_json::from_str(&released.manifest(statements["manifests"][0]["digest"].as_str().unwrap()))
            .unwrap();
    let blob = statement["layers"][0]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let place =
        published("registry/docker/registry/v2/blobs/sha256").join(&blob[..2]).join(blob).join("data");
    let good = fs_err::read(&place).unwrap();
    let mut bad = good.clone();
    let position = bad.windows(5).position(|bytes| bytes == b"\"sig\"").unwrap() + 20;
    bad[position] ^= 1;
    fs_err::write(&place, bad).unwrap();
    let told = released.verify(&format!("@{digest}"));
    assert_eq!(told["good"], false, "{told:#}");
    fs_err::write(&place, good).unwrap();
    assert_eq!(released.verify(&format!("@{digest}"))["good"], true);

    let up = |behind: &str| {
        let image = format!("{}{behind}", released.image());
        released.engine.done(&["pull", "--quiet", &image]);
        let words = [
            "up",
            "--engine",
            "compose",
            "--dry-run",
            "--overlay",
            "sample,ferretdb",
            "--port-offset",
            "24000",
        ];
        released.berth(&[&words[..], &["--image", &image]].concat())
    };
    let refused = up(":changed");
    assert!(refused.code != Some(0), "{refused:#?}");
    let said = "has the name of a release, and is not verified: it has no good signature";
    assert!(refused.err.contains(said), "{}", refused.err);
    let older = up(":v99.0.0");
    assert!(older.code != Some(0) && older.err.contains("and not 99.0.0"), "{older:#?}");
    let taken = up(&format!("@{digest}"));
    assert!(taken.err.contains("signed by the key of the release"), "{taken:#?}");
    assert!(!taken.err.contains("REFUSED  signature"), "{taken:#?}");
}

/// What is published beside the image: checksums that are signed, and the image as a file.
fn it_comes_from_a_file_where_there_is_no_registry(mut released: Released, told: &Value) {
    let assets = published("assets");
    let check = |program: &str, words: &[&str]| {
        let mut command = released.engine.case.command(program);
        Ran::done(command.current_dir(&assets).args(words))
    };
    check("sha256sum", &["--check", "--strict", "SHA256SUMS"]);
    for line in fs_err::read_to_string(assets.join("SHA256SUMS")).unwrap().lines() {
        let (_, name) = line.split_once("  ").unwrap();
        if name.starts_with("berth") && !name.ends_with(".licenses") {
            let licences = fs_err::read_to_string(assets.join(format!("{name}.licenses"))).unwrap();
            assert!(licences.contains("\ntokio 1."), "{name}: {licences}");
            let headers = check("readelf", &["--program-headers", "--wide", name]).out;
            assert!(headers.contains("LOAD") && !headers.contains("INTERP"), "{name} is static: {headers}");
            // Ours, and one of theirs.
            for text in ["berth-init 0.", "The berth contributors", "Permission is hereby granted"] {
                assert!(licences.contains(text), "{name}: {text}");
            }
        }
    }
    let (cosign, key) = (release_program("cosign").unwrap(), published("trial.pub"));
    let words =
        ["verify-blob", "--insecure-ignore-tlog=true", "--bundle", "SHA256SUMS.sigstore.json", "--key"];
    check(cosign.to_str().unwrap(), &[&words[..], &[key.to_str().unwrap(), "SHA256SUMS"]].concat());

    released.registry.end();
    let tag = format!("{}:v{}", released.image(), told["version"].as_str().unwrap());
    let file = assets.join(format!("image-v{}.oci.tar", told["version"].as_str().unwrap()));
    let away = released.berth(&["verify", &tag]);
    assert_eq!(away.code, Some(69), "{away:#?}");

    // A byte of what was signed is another one: the engine does not get it.
    let mut bad = fs_err::read(&file).unwrap();
    let position = bad.windows(6).position(|bytes| bytes == b"\\\"sig\\").unwrap() + 20;
    bad[position] ^= 1;
    let changed = released.engine.case.path("changed.tar");
    fs_err::write(&changed, bad).unwrap();
    let refused = released.berth(&["image", "load", changed.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.err.contains("is not what was released"), "{}", refused.err);
    assert_eq!(released.engine.run(&["image", "inspect", &tag]).code, Some(1));

    // All that was signed, under the tag of another version, which nobody has signed.
    let folder = released.engine.case.path("renamed");
    fs_err::create_dir_all(&folder).unwrap();
    let tar = |words: &[&str]| {
        let mut tar = released.engine.case.command("tar");
        Ran::done(tar.arg("--directory").arg(&folder).args(words));
    };
    tar(&["--extract", "--file", file.to_str().unwrap()]);
    let index = fs_err::read_to_string(folder.join("index.json")).unwrap();
    let version = format!(":v{}\"", told["version"].as_str().unwrap());
    assert!(index.contains(&version), "{index}");
    fs_err::write(folder.join("index.json"), index.replace(&version, ":v99.0.0\"")).unwrap();
    let renamed = released.engine.case.path("renamed.tar");
    tar(&[
        "--create",
        "--file",
        renamed.to_str().unwrap(),
        "evidence.json",
        "oci-layout",
        "index.json",
        "blobs",
    ]);
    let refused = released.berth(&["image", "load", renamed.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.err.contains("and not 99.0.0"), "{}", refused.err);

    let loaded = released.berth(&["image", "load", file.to_str().unwrap()]);
    assert_eq!(loaded.code, Some(0), "{loaded:#?}");
    let up =
        ["up", "--engine", "compose", "--dry-run", "--overlay", "sample,ferretdb", "--port-offset", "24000"];
    let up = released.berth(&[&up[..], &["--image", &tag]].concat());
    assert!(up.err.contains(&format!("{tag} is version")), "{up:#?}");
}

#[test]
fn an_image_of_no_release_is_shown_as_unsigned() {
    let Some(stack) = crate::stack::stack() else { return };
    let told = stack.run(&["status"]).out;
    let line = told.lines().find(|line| line.contains(&image())).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("sha256:") && line.ends_with(", unsigned"), "{line}");
    let told: Value = serde_json::from_str(&stack.run(&["status", "--json"]).out).unwrap();
    assert_eq!(told["images"][image()]["signed_by"], Value::Null, "{told:#}");
}
