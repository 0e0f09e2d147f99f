//! The crates that are linked into our programs, as cargo resolves them, with their licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::run::{ask, cargo};

/// One of them.
pub struct Crate {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub licence: String,
}

/// All that these programs have, they themselves included, for a machine as compilers call it.
pub fn of(programs: &[&str], machine: &str) -> Result<Vec<Crate>> {
    let mut tree = cargo();
    tree.args(["tree", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--locked"]);
    tree.args(programs.iter().flat_map(|program| ["--package", program]));
    tree.args(["--target", &format!("{machine}-unknown-linux-musl"), "--format", "{p}\t{l}"]);
    let told = ask(&mut tree).context("cargo tree fails")?;
    let lines: BTreeSet<_> = told.lines().filter(|line| !line.is_empty()).collect();
    ensure!(!lines.is_empty(), "cargo names no crate of {programs:?}");
    lines.into_iter().map(read).collect()
}

/// `name v1.2.3 (path)`, and the licence behind a tab.
fn read(line: &str) -> Result<Crate> {
    let (package, licence) = line.split_once('\t').with_context(|| format!("cannot read {line:?}"))?;
    let mut words = package.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = version.strip_prefix('v').with_context(|| format!("no version in {line:?}"))?;
    // An older way to write OR.
    let licence = licence.replace(" / ", " OR ").replace('/', " OR ");
    Ok(Crate { name: name.to_owned(), version: version.to_owned(), licence })
}

/// Each crate with its licence, then the texts that come with them, each once: most licences want theirs passed on. Which
/// licences there may be is in deny.toml, which `cargo xtask check` and `release build` hold them to.
pub fn licences(programs: &[&str], machine: &str) -> Result<String> {
    let crates = of(programs, machine)?;
    let metadata =
        ask(cargo().args(["metadata", "--format-version=1", "--locked"])).context("cargo metadata fails")?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let word = |package: &Value, name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let folders: BTreeMap<_, _> = packages
        .map(|package| {
            let manifest = PathBuf::from(word(package, "manifest_path"));
            ((word(package, "name"), word(package, "version")), manifest.parent().map(Path::to_owned))
        })
        .collect();
    let (mut list, mut texts) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for Crate { name, version, licence } in crates {
        let _ = writeln!(list, "{name} {version}: {licence}");
        let folder = folders.get(&(name.clone(), version.clone())).cloned().flatten();
        for text in folder.map_or(Ok(Vec::new()), |folder| texts_in(&folder))? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, names) in texts {
        let _ = write!(list, "\n---- {} ----\n\n{}\n", names.join(", "), text.trim_end());
    }
    Ok(list)
}

/// The texts of licences that a crate brings.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"]
                .iter()
                .any(|word| name.starts_with(word))
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok(fs::read_to_string(path)?.replace("\r\n", "\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_read_from_what_cargo_prints() {
        let read = read("berth-init v0.1.0 (/somewhere/crates/init)\tMIT/Apache-2.0").unwrap();
        let Crate { name, version, licence } = read;
        assert_eq!([name, version, licence], ["berth-init", "0.1.0", "MIT OR Apache-2.0"]);
    }
}
