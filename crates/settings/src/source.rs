//! Where settings come from: files, and the files that `NAME_FILE` names.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file of the application's folder, at a line that is counted from 1; line 0 is the file as a whole.
    File {
        /// Its name in the folder.
        name: &'static str,
        /// The line.
        line: usize,
    },
    /// In the environment.
    Environment,
    /// In a file of its own, which `NAME_FILE` names.
    Secret(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: 0 } => f.write_str(name),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment => f.write_str("environment"),
            Self::Secret(path) => path.display().fmt(f),
        }
    }
}

/// A settings file that is longer is none; that of the application has some 400 lines.
const LONGEST: u64 = 1024 * 1024;

/// The longest text that an environment takes is 128 KiB (execve(2), MAX_ARG_STRLEN), its name included.
const LONGEST_SECRET: u64 = 64 * 1024;

/// The text of a settings file, and whether all of it was UTF-8. A file that does not exist is empty, as it is to the
/// application. What it cannot read it takes for empty too: that is told here.
pub fn text(path: &Path) -> Result<(String, bool), String> {
    match bytes(path, LONGEST) {
        Ok(bytes) => {
            // As Node decodes: what is no UTF-8 becomes U+FFFD.
            let text = String::from_utf8_lossy(&bytes);
            Ok((text.to_string(), matches!(text, std::borrow::Cow::Borrowed(_))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((String::new(), true)),
        Err(error) => Err(format!("cannot be read, and the application would go on without it: {error}")),
    }
}

/// The value that a file holds, without the newline at its end.
pub fn secret(path: &Path) -> Result<String, String> {
    let wrong = |what: &str| format!("names {}, which {what}", path.display());
    let bytes = bytes(path, LONGEST_SECRET).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("holds bytes that are no UTF-8"))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(wrong("is empty")),
        value if value.contains('\0') => Err(wrong("holds a NUL byte, which no environment takes")),
        value => Ok(value.to_owned()),
    }
}

/// What a regular file holds. A pipe or a device might never end.
fn bytes(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::other("it is a folder (Docker makes one where a file to mount is missing)"));
    }
    if !about.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::other(format!("it is longer than {} KiB", longest / 1024)));
    }
    Ok(bytes)
}
