//! Where the programs under test are: named by the environment, else where cargo and `cargo xtask` put them.

use std::path::{Path, PathBuf};

use crate::skip;

/// `berth-init`: BERTH_TEST_INIT, else the one that was built beside the tests.
#[must_use]
pub fn init() -> PathBuf {
    built("BERTH_TEST_INIT", "berth-init")
}

/// `berth`: BERTH_TEST_BERTH, else the one that was built beside the tests.
#[must_use]
pub fn berth() -> PathBuf {
    built("BERTH_TEST_BERTH", "berth")
}

/// `cargo xtask`, as a program: BERTH_TEST_XTASK, else the one that was built beside the tests. It works on the clone that
/// CARGO_MANIFEST_DIR, which it gets, is in.
#[must_use]
pub fn xtask() -> (PathBuf, PathBuf) {
    (built("BERTH_TEST_XTASK", "xtask"), root().join("xtask"))
}

/// The sample application with its packages: BERTH_TEST_APP, else `docker/app`.
#[must_use]
pub fn application() -> PathBuf {
    named("BERTH_TEST_APP").unwrap_or_else(|| root().join("docker/app"))
}

/// `node`: BERTH_TEST_NODE, else the one that `cargo xtask` fetched, else the first on PATH.
#[must_use]
pub fn node() -> Option<PathBuf> {
    named("BERTH_TEST_NODE").or_else(|| fetched_or_on_path(".tools/npm/node_modules/.bin", "node"))
}

/// A program that signs or talks to registries: the one that `cargo xtask` unpacked, else the first on PATH.
#[must_use]
pub fn release_program(name: &str) -> Option<PathBuf> {
    fetched_or_on_path(".tools/release/root/usr/bin", name)
}

/// The folder of the clients that `cargo xtask` fetched from PyPI; a program there needs it as its PYTHONPATH.
#[must_use]
pub fn clients() -> Option<PathBuf> {
    let folder = root().join(".tools/clients");
    folder.join("installed").is_file().then_some(folder)
}

/// The folder of FerretDB and the PostgreSQL below it, which `cargo xtask` made.
#[must_use]
pub fn servers() -> Option<PathBuf> {
    let folder = root().join(".tools/servers");
    folder.join("installed").is_file().then_some(folder)
}

/// The folder of the other inits that `cargo xtask` unpacked.
#[must_use]
pub fn peers() -> Option<PathBuf> {
    let folder = root().join(".tools/peers");
    folder.join("installed").is_file().then_some(folder)
}

fn fetched_or_on_path(folder: &str, name: &str) -> Option<PathBuf> {
    let fetched = root().join(folder).join(name);
    if fetched.is_file() { Some(fetched) } else { on_path(name) }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)?;
    assert!(path.exists(), "{variable} names {}, which is not there", path.display());
    Some(path)
}

fn built(variable: &str, name: &str) -> PathBuf {
    named(variable).unwrap_or_else(|| {
        // A test runs from target/PROFILE/deps.
        let here = std::env::current_exe().expect("Linux tells a process its own file");
        let path = here.ancestors().skip(1).map(|folder| folder.join(name)).find(|path| path.is_file());
        path.unwrap_or_else(|| panic!("no {name}: run `cargo build -p {name}`, or name it with {variable}"))
    })
}

/// The clone.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the suites are a folder of the repository")
}

/// Whether these programs are here; else says that what needs them is skipped.
#[must_use]
pub fn have(programs: &[&str]) -> bool {
    none_absent(programs, on_path)
}

/// Whether the programs are here that sign or talk to registries; else says that what needs them is skipped.
#[must_use]
pub fn have_release_programs() -> bool {
    none_absent(&["crane", "cosign", "docker-registry"], release_program)
}

fn none_absent(programs: &[&str], found: fn(&str) -> Option<PathBuf>) -> bool {
    let absent: Vec<_> = programs.iter().filter(|program| found(program).is_none()).copied().collect();
    if !absent.is_empty() {
        skip(&format!("there is no {}", absent.join(", no ")));
    }
    absent.is_empty()
}
