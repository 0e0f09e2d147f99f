//! `cargo xtask tools`: gets Node, pnpm, the linters and clients for the tests into `.tools`, in the versions and with
//! the hashes of `xtask/tools`. The other commands call it for what they need; what is there already costs nothing.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::run::{ask, program, run as run_program};

/// Go's checksum database vouches for what a version is.
const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";

/// Gets all of them.
pub fn run() -> Result<()> {
    node()?;
    linters()?;
    clients()
}

/// The `node` program of the version that the sample application is run with, wherever an older one is on
/// PATH: the npm registry has the official builds as packages.
pub fn node() -> Result<PathBuf> {
    let inputs = ["xtask/tools/package.json", "xtask/tools/package-lock.json"];
    once(Path::new(".tools/npm/installed"), "", &inputs, || {
        fs::create_dir_all(".tools/npm")?;
        for input in inputs.map(Path::new) {
            fs::copy(input, Path::new(".tools/npm").join(input.file_name().context("a file")?))?;
        }
        let mut npm = program("npm");
        npm.args(["ci", "--prefix", ".tools/npm", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run_program("get Node and pnpm from npm", npm.arg("--loglevel=error")).map(drop)
    })?;
    let arch = if ARCH == "aarch64" { "arm64" } else { "x64" };
    let node = Path::new(".tools/npm/node_modules").join(format!("node-linux-{arch}/bin/node"));
    if !node.exists() {
        bail!("npm has no Node for this machine ({ARCH}); looked for {}", node.display());
    }
    std::path::absolute(node).context("cannot tell the current folder")
}

/// pnpm on that Node, in the folder of the sample application.
pub fn pnpm(node: &Path) -> Result<Command> {
    let mut pnpm = program(node);
    pnpm.arg(std::path::absolute(".tools/npm/node_modules/pnpm/bin/pnpm.cjs")?).current_dir("docker/app");
    // Scripts of the application name plain `node`.
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = node.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&others));
    pnpm.env("PATH", std::env::join_paths(folders)?);
    Ok(pnpm)
}

/// A linter: ours where there is one, else the one on PATH.
pub fn linter(name: &str) -> Result<Command> {
    linters()?;
    let ours = Path::new(".tools/python/bin").join(name);
    Ok(program(if ours.exists() { ours } else { name.into() }))
}

/// Checks workflows. Of its makers there is source alone; building it takes seconds. Nothing without Go.
pub fn actionlint() -> Result<Option<Command>> {
    let folder = Path::new(".tools/go");
    if ask(program("go").arg("version")).is_none() {
        return Ok(None);
    }
    once(&folder.join("installed"), ACTIONLINT, &[], || go_install("build actionlint", ACTIONLINT, folder))?;
    Ok(Some(program(folder.join("actionlint"))))
}

/// Builds a Go program into a folder, static, so that it runs in an image that has nothing else. Go tries no download twice
/// (golang/go#28194), and keeps those that it has.
pub fn go_install(what: &str, module: &str, folder: &Path) -> Result<()> {
    let mut go = program("go");
    go.env("CGO_ENABLED", "0").env("GOBIN", std::path::absolute(folder)?).args(["install", module]);
    let mut install = || run_program(what, &mut go).map(drop);
    install().or_else(|_| install()).or_else(|_| install())
}

fn linters() -> Result<()> {
    from_pypi("the linters", "xtask/tools/requirements.txt", ".tools/python")
}

/// The clients of the black-box tests that are Python packages.
pub fn clients() -> Result<()> {
    from_pypi("clients for the tests", "xtask/tools/clients.txt", ".tools/clients")
}

fn from_pypi(what: &str, list: &str, folder: &str) -> Result<()> {
    once(&Path::new(folder).join("installed"), "", &[list], || {
        // --target leaves Python's own folders alone, so that no virtual environment is needed (PEP 668).
        let mut pip = program("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target", folder]);
        pip.args(["--root-user-action=ignore", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r"]);
        run_program(&format!("get {what} from PyPI"), pip.arg(list)).map(drop)
    })
}

/// Does `work` unless it was done for the same `inputs` and `mode` before, which the `stamp` tells.
pub fn once(stamp: &Path, mode: &str, inputs: &[&str], work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut wanted = format!("{mode}\n");
    for input in inputs {
        wanted += &fs::read_to_string(input)?;
    }
    if fs::read_to_string(stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, wanted).context("cannot note what was installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_again_only_when_an_input_or_the_mode_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (input, stamp) = (folder.path().join("input"), folder.path().join("stamp"));
        let mut done = 0;
        let mut ask = |mode| {
            once(&stamp, mode, &[input.to_str().unwrap()], || {
                done += 1;
                Ok(())
            })
            .unwrap();
            done
        };
        fs::write(&input, "a").unwrap();
        assert_eq!([ask("all"), ask("all")], [1, 1]);
        fs::write(&input, "b").unwrap();
        assert_eq!([ask("all"), ask("production")], [2, 3]);
    }

    #[test]
    fn work_that_failed_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = folder.path().join("stamp");
        assert!(once(&stamp, "", &[], || bail!("no network")).is_err());
        assert!(!stamp.exists());
    }
}
