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

/// All that a program has, it itself included, for a machine as compilers call it.
pub fn of(program: &str, machine: &str) -> Result<Vec<Crate>> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--package",
        program,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--no-dedupe",
        "--locked",
    ]);
    tree.args(["--target", &format!("{machine}-unknown-linux-musl"), "--format", "{p}\t{l}"]);
    let told = ask(&mut tree).context("cargo tree fails")?;
    let lines: BTreeSet<_> = told.lines().filter(|line| !line.is_empty()).collect();
    ensure!(!lines.is_empty(), "cargo names no crate of {program}");
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
pub fn licences(program: &str, machine: &str) -> Result<String> {
    let crates = of(program, machine)?;
    let metadata =
        ask(cargo().args(["metadata", "--format-version=1", "--locked"])).context("cargo metadata fails")?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let word = |package: &Value, name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let folders: BTreeMap<_, _> = packages
        .map(|package| {
            let manifest = PathBuf::from(word(package, "manifest_path"));
            // Ours have theirs in the root of the clone, where we are.
            let ours = package["source"].is_null().then_some(Path::new("."));
            let folder = ours.or(manifest.parent()).map(Path::to_owned);
            ((word(package, "name"), word(package, "version")), folder)
        })
        .collect();
    let (mut list, mut texts) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for Crate { name, version, licence } in crates {
        let folder = folders.get(&(name.clone(), version.clone())).cloned().flatten();
        let own = folder.map_or(Ok(Vec::new()), |folder| texts_in(&folder))?;
        let none = if own.is_empty() { " (no text comes with it)" } else { "" };
        let _ = writeln!(list, "{name} {version}: {licence}{none}");
        for text in own {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, names) in texts {
        let _ = write!(list, "\n---- {} ----\n\n{}\n", names.join(", "), text.trim_end());
    }
    Ok(list)
}

/// The texts of licences that a crate brings: files, or a folder of them (reuse.software).
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"].iter().any(|word| name.starts_with(word))
    };
    let mut texts = Vec::new();
    for path in list(folder)?.into_iter().filter(is_licence) {
        for file in if path.is_dir() { list(&path)? } else { vec![path] } {
            texts.push(fs::read_to_string(file)?.replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_files_and_in_a_folder_of_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("LICENSES")).unwrap();
        for (name, text) in
            [("LICENSE-MIT", "a\r\n"), ("LICENSES/Apache-2.0.txt", "b"), ("lib.rs", "c"), ("NOTICE", "d")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(texts_in(folder.path()).unwrap(), ["a\n", "b", "d"]);
    }

    #[test]
    fn a_crate_is_read_from_what_cargo_prints() {
        let read = read("berth-init v0.1.0 (/somewhere/crates/init)\tMIT/Apache-2.0").unwrap();
        let Crate { name, version, licence } = read;
        assert_eq!([name, version, licence], ["berth-init", "0.1.0", "MIT OR Apache-2.0"]);
    }
}
