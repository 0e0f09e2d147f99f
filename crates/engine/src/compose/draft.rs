//! A project whose files are not in their place yet, as Compose reads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::config::Config;
use super::docker::{Docker, parsed};
use super::line;
use crate::EngineError;

/// What Compose makes of files before anything of them is written to its place.
#[derive(Debug)]
pub struct Draft {
    /// The client, for the place.
    pub docker: Docker,
    /// The project.
    pub config: Config,
    /// What Compose says of the configuration of each service: another one means another container.
    pub hashes: BTreeMap<String, String>,
}

impl Draft {
    /// Has Compose read these files, as if they were in `place`.
    pub fn read(place: &Path, files: &BTreeMap<PathBuf, String>) -> Result<Self, EngineError> {
        let folder = TempDir::new()?;
        for (path, text) in files {
            let path = folder.path().join(path);
            path.parent().map_or(Ok(()), fs_err::create_dir_all)?;
            fs_err::write(path, text)?;
        }
        let env = files.get(Path::new(".env")).map_or("", String::as_str);
        let variables = variables(env);
        let chosen: Vec<PathBuf> = variables
            .get("COMPOSE_FILE")
            .map_or("compose.yaml", String::as_str)
            .split(':')
            .map(PathBuf::from)
            .collect();
        let chosen: Vec<&Path> = chosen.iter().map(PathBuf::as_path).collect();
        let docker = Docker::new(place, names(env));
        let line = |words| line::config(place, folder.path(), &chosen, words);
        // Each takes Compose a tenth of a second of its own.
        let (config, hashes) = std::thread::scope(|scope| {
            let hashes = scope.spawn(|| docker.ask(&line(["--hash", "*"])));
            let config = docker.ask(&line(["--format", "json"]));
            (config, hashes.join().expect("asking does not panic"))
        });
        let config = parsed(&line(["--format", "json"]), &config?)?;
        Ok(Self { config, hashes: pairs(&hashes?), docker })
    }
}

/// `imap 2615a7…` on each line.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, hash)| (name.to_owned(), hash.trim().to_owned())).collect()
}

/// The variables that an `.env` gives.
pub fn variables(env: &str) -> BTreeMap<String, String> {
    let lines = env.lines().filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The variables that an `.env` is about: those that it gives, and those that it says are not given.
pub fn names(env: &str) -> Vec<String> {
    let lines = env.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let names = lines.filter_map(|line| Some(line.split_once('=')?.0.trim()));
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    names.filter(is_name).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_hashes_are_read_by_line() {
        let read = variables("# A=1\nCOMPOSE_FILE=compose.yaml:sample.yaml\n\nBERTH_BIND=\n");
        assert_eq!(read["COMPOSE_FILE"], "compose.yaml:sample.yaml");
        assert_eq!((read.len(), read["BERTH_BIND"].as_str()), (2, ""));
        assert_eq!(names("# A=1\n# what that = says\nB=2\n"), ["A", "B"]);
        assert_eq!(pairs("imap ae66\nstore 9873\n")["store"], "9873");
    }
}
