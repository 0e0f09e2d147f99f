//! `cargo xtask generate`: writes the files that are rendered from the catalogue, or shows how they differ.

use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;
use similar::TextDiff;

/// Writes them; with `check` writes nothing and fails when one is not as it would be written.
pub fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for file in berth_render::generated() {
        let found = fs::read_to_string(file.path).unwrap_or_default();
        if found == file.text {
            continue;
        }
        if check {
            let difference = TextDiff::from_lines(&found, &file.text);
            eprint!("{}", difference.unified_diff().header(file.path, "what the catalogue says"));
            stale.push(file.path);
        } else {
            if let Some(folder) = Path::new(file.path).parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file.path, file.text)?;
            println!("wrote {}", file.path);
        }
    }
    if !stale.is_empty() {
        bail!("not up to date: {}; run `cargo xtask generate`", stale.join(", "));
    }
    Ok(())
}
