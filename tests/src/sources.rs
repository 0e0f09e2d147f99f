//! Our own source files.

use std::path::{Path, PathBuf};

/// The files of Rust in a folder, and in those below it.
#[must_use]
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs_err::read_dir(folder).expect("a folder of ours").map(|entry| entry.expect("its entries").path());
    entries
        .flat_map(|path| match path {
            path if path.is_dir() => rust_files(&path),
            path if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            _ => vec![],
        })
        .collect()
}
