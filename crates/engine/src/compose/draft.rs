//! A project whose files are not in their place yet, as Compose reads it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::config::Config;
use super::docker::{Docker, Said};
use super::line;
use crate::EngineError;

/// What Compose makes of files before anything of them is written to its place.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The client, for the place.
    pub docker: Docker,
    /// The project.
    pub config: Config,
    /// A mark of the configuration of each service: another one means another container.
    pub marks: BTreeMap<String, String>,
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
        let chosen = value(env, "COMPOSE_FILE")
            .filter(|files| !files.is_empty())
            .unwrap_or("compose.yaml")
            .split(':')
            .map(Path::new);
        // What is not among the files is its owner's, and in its place already.
        let at =
            |file: &Path| if files.contains_key(file) { folder.path().join(file) } else { place.join(file) };
        let chosen: Vec<PathBuf> = chosen.map(at).collect();
        let docker = Docker::new(place, names(env));
        let line = line::config(place, folder.path(), &chosen);
        let said: Value =
            docker.read(&line).map_err(|error| in_its_place(error, folder.path(), place, files))?;
        let marks = marks(&said);
        let unknown = |source| EngineError::DockerAnswer { line: line.to_string(), source };
        Ok(Self { config: Config::deserialize(said).map_err(unknown)?, marks, docker })
    }
}

/// What Compose says of a draft, as it is to be said of the files that it stands for.
fn in_its_place(
    error: EngineError,
    draft: &Path,
    place: &Path,
    files: &BTreeMap<PathBuf, String>,
) -> EngineError {
    let named = |text: &str| text.replace(&*draft.to_string_lossy(), &place.to_string_lossy());
    let EngineError::Docker { line, said } = error else { return error };
    let lines = said.last.iter().map(|line| as_numbered(&named(line), place, files));
    let said = Said { last: lines.collect(), ..said };
    EngineError::Docker { line: named(&line), said }
}

/// The same, with the line of `.env` that a setting has where it is: the draft is written anew, and has it on another one.
/// A line that is nobody's there is left out.
fn as_numbered(said: &str, place: &Path, files: &BTreeMap<PathBuf, String>) -> String {
    let path = place.join(".env");
    let file = format!("{}: ", path.display());
    let parts = || {
        let (start, rest) = said.split_once(&format!("{file}line "))?;
        let (number, rest) = rest.split_once(':')?;
        Some((start, number.parse::<usize>().ok()?.checked_sub(1)?, rest))
    };
    let Some((start, drafted, rest)) = parts() else { return said.to_owned() };
    let line = || {
        let key = files.get(Path::new(".env"))?.lines().nth(drafted)?.split_once('=')?.0.trim();
        let there = fs_err::read_to_string(&path).ok()?;
        let is_it = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
        there.lines().position(is_it).map(|at| format!("line {}:", at + 1))
    };
    match line() {
        Some(line) => format!("{start}{file}{line}{rest}"),
        None => format!("{start}{file}{}", rest.trim_start()),
    }
}

/// A mark for each service, of all that its container is made from. What Compose itself marks a container with cannot be
/// asked for: `config --hash` leaves out what `up` reads from an `env_file`.
fn marks(said: &Value) -> BTreeMap<String, String> {
    let shared = ["networks", "volumes", "secrets", "configs"].map(|part| said[part].to_string()).concat();
    let services = said["services"].as_object().into_iter().flatten();
    services.map(|(name, service)| (name.clone(), mark(&format!("{service}{shared}")))).collect()
}

/// FNV-1a, 64 bits: the same for the same text in every version.
fn mark(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The value that an `.env` gives to a variable, without quotes around it.
fn value<'a>(env: &'a str, name: &str) -> Option<&'a str> {
    let value = env
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(name)?.trim_start().strip_prefix('='))
        .next_back()?
        .trim();
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    Some(inside('\'').or_else(|| inside('"')).unwrap_or(value))
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
    fn variables_are_read_by_line() {
        let env = "# A=1\nCOMPOSE_FILES=1\nCOMPOSE_FILE='compose.yaml:my own.yaml'\n\nBERTH_BIND=\n";
        assert_eq!(value(env, "COMPOSE_FILE"), Some("compose.yaml:my own.yaml"));
        assert_eq!((value(env, "A"), value(env, "BERTH_BIND")), (None, Some("")));
        assert_eq!(names("# A=1\n# what that = says\nB=2\n"), ["A", "B"]);
    }

    #[test]
    fn a_line_of_a_draft_is_told_as_that_of_the_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".env");
        fs_err::write(&path, "# mine\n\nA=1\nB='x\n").unwrap();
        let files = BTreeMap::from([(PathBuf::from(".env"), "A=1\nB='x\n# C=1\n".to_owned())]);
        let numbered = |rest: &str| {
            as_numbered(&format!("failed to read {}: {rest}", path.display()), place.path(), &files)
        };
        let told = |rest: &str| format!("failed to read {}: {rest}", path.display());
        assert_eq!(numbered("line 2: unterminated"), told("line 4: unterminated"));
        assert_eq!(numbered("line 3: unterminated"), told("unterminated"), "as Compose counts to the end");
        assert_eq!(numbered("Invalid template"), told("Invalid template"));
    }

    #[test]
    fn a_mark_changes_with_a_service_or_what_it_shares_and_with_nothing_else() {
        let said = |image: &str, ipv6: bool| {
            let services = serde_json::json!({"a": {"image": image}, "b": {"image": "b"}});
            marks(&serde_json::json!({"services": services, "networks": {"outside": {"enable_ipv6": ipv6}}}))
        };
        let (first, other) = (said("1", true), said("2", true));
        assert_eq!(first, said("1", true));
        assert_ne!(first["a"], other["a"]);
        assert_eq!(first["b"], other["b"]);
        assert_ne!(first["b"], said("1", false)["b"]);
        // http://www.isthe.com/chongo/tech/comp/fnv: the published value of this text.
        assert_eq!(mark("foobar"), "85944171f73967e8");
    }
}
