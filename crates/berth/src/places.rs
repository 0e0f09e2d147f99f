//! Where things are, when nobody says so.

use std::env;
use std::path::{Path, PathBuf, absolute};

use anyhow::Context;
use berth_report::{Code, Problem};

use crate::image::elf;

/// The state folder (XDG Base Directory Specification: state that persists between restarts).
pub fn state(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let from = |key: &str| env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let standard =
        || Some(from("XDG_STATE_HOME").or_else(|| Some(from("HOME")?.join(".local/state")))?.join("berth"));
    let path = given.or_else(standard).ok_or_else(|| {
        Problem::new(Code::Usage, "there is no place for the installation").hint("name one: --state DIR")
    })?;
    Ok(absolute(path)?)
}

/// The program that each role runs under.
pub fn init(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    init_or(given, "name it: --init PATH, or BERTH_INIT")
}

/// The same, to be put into images, and for which architecture it is. It has to be static.
pub fn static_init(given: Option<&Path>) -> anyhow::Result<(PathBuf, &'static str)> {
    let path = init_or(given, elf::NAME_ONE)?;
    let architecture = elf::architecture(&path)?;
    Ok((path, architecture))
}

fn init_or(given: Option<&Path>, hint: &str) -> anyhow::Result<PathBuf> {
    let found = given.map(ToOwned::to_owned).or_else(|| beside("berth-init"));
    let path = found
        .filter(|path| path.is_file())
        .ok_or_else(|| Problem::new(Code::NotFound, missing("berth-init", given)).hint(hint))?;
    Ok(path.canonicalize()?)
}

/// The application's folder.
pub fn app(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let found = given.map(ToOwned::to_owned).or_else(|| beside("app"));
    let path = found.filter(|path| path.is_dir()).ok_or_else(|| {
        Problem::new(Code::NotFound, missing("the application's folder", given))
            .hint("name it: --app DIR, or BERTH_APP_DIR")
    })?;
    Ok(path.canonicalize()?)
}

/// The Node that runs the application. Links are kept: version managers tell versions apart by them.
pub fn node(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let name = given.unwrap_or(Path::new("node"));
    let found = which::which(name).ok().ok_or_else(|| {
        Problem::new(Code::NotFound, missing("Node", given)).hint("name it: --node PATH, or BERTH_NODE")
    })?;
    absolute(found).context("the current folder is gone")
}

fn beside(name: &str) -> Option<PathBuf> {
    env::current_exe().ok()?.parent().map(|folder| folder.join(name)).filter(|path| path.exists())
}

fn missing(what: &str, given: Option<&Path>) -> String {
    match given {
        Some(path) => format!("{what} is not at {}", path.display()),
        None => format!("{what} was not found"),
    }
}
