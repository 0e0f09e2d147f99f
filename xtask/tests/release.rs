//! `cargo xtask release` from outside, as far as it needs no Docker engine, in a clone of its own: what keeps a release from
//! being public, what `prepare` makes, and what `--dry-run` does not.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs_err as fs;

/// Of no version that there will be.
const VERSION: &str = "99.0.0";

/// Reached by nobody (RFC 2606), and asked by no test.
const PUBLIC: &str = "registry.test";

/// A registry of this machine; nothing listens there.
const LOCAL: &str = "127.0.0.1:1";

struct Clone {
    folder: tempfile::TempDir,
}

/// How a program ended, and all that it said.
struct Ran {
    good: bool,
    said: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        Self { good: output.status.success(), said: String::from_utf8(said).unwrap() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of these tests that spawns")]
fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    // Nobody's settings, whose commits may want a signature.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        command.env(format!("{who}_NAME"), "Nobody").env(format!("{who}_EMAIL"), "nobody@example.test");
    }
    command
}

/// A list of one base image.
fn redis(digest: &str) -> String {
    format!(r#"[{{"name": "redis", "image": "redis:7", "digest": "{digest}", "for": "all"}}]"#)
}

impl Clone {
    fn new() -> Self {
        let clone = Self { folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut git = program("git");
        git.args(["clone", "--quiet", "--no-tags"]).arg(root).arg(clone.path("."));
        let cloned = Ran::of(&git.output().unwrap());
        assert!(cloned.good, "{}", cloned.said);
        clone
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap()
    }

    fn write(&self, inside: &str, text: &str) {
        fs::write(self.path(inside), text).unwrap();
    }

    fn git(&self, words: &[&str]) -> String {
        let ran = Ran::of(&program("git").current_dir(self.path(".")).args(words).output().unwrap());
        assert!(ran.good, "{words:?}: {}", ran.said);
        ran.said
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut xtask = program(env!("CARGO_BIN_EXE_xtask"));
        xtask.env("CARGO_MANIFEST_DIR", self.path("xtask")).arg("release").args(words);
        xtask
    }

    fn release(&self, words: &[&str]) -> Ran {
        Ran::of(&self.command(words).output().unwrap())
    }

    /// With something to tell of, and all that is wanted of a public release but the version.
    fn ready(&self) {
        let digit = |times: usize| "1".repeat(times);
        self.write(
            "docker/release.json",
            r#"{"image": "registry.test/one/mail", "workflow": "https://host.test/w.yml", "issuer": "https://host.test"}"#,
        );
        self.write("docker/bases.json", &redis(&format!("sha256:{}", digit(64))));
        fs::remove_dir_all(self.path(".github/workflows")).unwrap();
        fs::create_dir_all(self.path(".github/workflows")).unwrap();
        self.write(
            ".github/workflows/one.yml",
            &format!("image: redis:7@sha256:{}\n- uses: actions/checkout@{}\n", digit(64), digit(40)),
        );
        self.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n### Security\n\n- one\n");
        self.commit();
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "Change it"]);
    }
}

#[test]
fn what_nobody_has_pinned_keeps_a_release_from_a_public_registry_and_from_no_other() {
    let clone = Clone::new();
    clone.ready();
    let prepared = clone.release(&["prepare", VERSION]);
    assert!(prepared.good, "{}", prepared.said);
    let good = clone.release(&["check", "--registry", PUBLIC, "--dry-run"]);
    assert!(good.good && !good.said.contains("error"), "{}", good.said);

    clone.write("docker/bases.json", &redis("unpinned"));
    let pinned = clone.read(".github/workflows/one.yml").lines().next().unwrap().to_owned();
    clone.write(".github/workflows/one.yml", &format!("{pinned}\n- uses: actions/checkout@v5\n"));
    clone.commit();
    clone.git(&["tag", "--force", &format!("v{VERSION}")]);
    let wrong = [
        "the base image redis is not pinned",
        "one.yml, line 1: redis:7@sha256:1111111111111111111111111111111111111111111111111111111111111111 is not as docker/bases.json has it",
        "one.yml, line 2: actions/checkout@v5 is not pinned by a commit",
    ];
    let public = clone.release(&["check", "--registry", PUBLIC]);
    assert!(!public.good, "{}", public.said);
    for (number, said) in wrong.iter().enumerate() {
        assert!(public.said.contains(&format!("error: {said}")), "{number}: {}", public.said);
    }
    assert!(
        public.said.contains(&format!("{PUBLIC} is public, and 3 of what it needs is not there")),
        "{}",
        public.said
    );
    let local = clone.release(&["check", "--registry", LOCAL, "--dry-run"]);
    assert!(local.good && wrong.iter().all(|said| local.said.contains(said)), "{}", local.said);
}

#[test]
fn a_version_is_prepared_once_with_its_changelog_its_commit_and_its_tag() {
    let clone = Clone::new();
    clone.ready();
    let before = clone.git(&["rev-parse", "HEAD"]);
    let told = clone.release(&["prepare", VERSION, "--dry-run"]);
    assert!(told.good && told.said.contains("Release 99.0.0\n\n### Security\n\n- one\n"), "{}", told.said);
    assert_eq!(
        [clone.git(&["status", "--porcelain"]), clone.git(&["rev-parse", "HEAD"]), clone.git(&["tag"])],
        [String::new(), before, String::new()]
    );

    let prepared = clone.release(&["prepare", VERSION]);
    assert!(prepared.good, "{}", prepared.said);
    assert_eq!(clone.git(&["log", "-1", "--format=%s"]), "Release 99.0.0\n");
    assert_eq!(clone.git(&["tag", "--points-at", "HEAD"]), "v99.0.0\n");
    assert_eq!(
        clone.git(&["for-each-ref", "--format=%(contents)", "refs/tags"]),
        "Release 99.0.0\n\n### Security\n\n- one\n\n"
    );
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
    assert!(clone.read("Cargo.toml").contains("\nversion = \"99.0.0\"\n"));
    assert!(clone.read("Cargo.lock").contains("name = \"berth-init\"\nversion = \"99.0.0\"\n"));
    assert!(clone.read("CHANGELOG.md").contains("## Unreleased\n\n## 99.0.0 ("));

    let again = clone.release(&["prepare", VERSION]);
    assert!(!again.good && again.said.contains("there is a tag v99.0.0 already"), "{}", again.said);
    clone.write("CHANGELOG.md", "## Unreleased\n\n- two\n");
    let changed = clone.release(&["prepare", "99.1.0"]);
    assert!(!changed.good && changed.said.contains("commit them first"), "{}", changed.said);
}

#[test]
fn a_dry_run_of_all_of_it_makes_nothing() {
    let clone = Clone::new();
    let all = |clone: &Clone| clone.git(&["status", "--porcelain", "--ignored"]);
    let told = clone.release(&["--registry", LOCAL, "--dry-run"]);
    assert!(told.good, "{}", told.said);
    for step in ["build", "check", "push", "sign", "verify", "move the tags of", "put into"] {
        assert!(told.said.contains(&format!("would {step}")), "{step}: {}", told.said);
    }
    assert_eq!(all(&clone), "");
    assert!(!clone.path("target").exists());
}

/// Other engines refuse to write an image into a file, minutes later and in words of their own.
#[test]
fn an_engine_without_the_store_that_a_release_needs_is_told_before_anything_is_built() {
    let clone = Clone::new();
    let docker = clone.path("docker-of-others/docker");
    fs::create_dir_all(docker.parent().unwrap()).unwrap();
    let says = r#"#!/bin/sh
case "$*" in
    "version"*) echo 28.0.4 ;;
    "compose version"*) echo 2.40.3 ;;
    "buildx version") echo buildx ;;
    "info"*) echo '[["Backing Filesystem","extfs"]]' ;;
    *) exit 1 ;;
esac
"#;
    // Not by us: what other tests start meanwhile would have it open for writing, and nobody could run it (ETXTBSY).
    let mut writer = program("sh");
    writer.args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(&docker).arg(says);
    assert!(writer.status().unwrap().success());
    let mut build = clone.command(&["build", "--registry", LOCAL]);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = [docker.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&others));
    build.env("PATH", std::env::join_paths(path).unwrap()).env("DOCKER_HOST", "unix:///nowhere");
    let ran = Ran::of(&build.output().unwrap());
    assert!(!ran.good && ran.said.contains("has no containerd image store"), "{}", ran.said);
    assert!(ran.said.contains("/etc/docker/daemon.json"), "{}", ran.said);
}
