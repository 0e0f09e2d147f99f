//! Where a program is, and what is said when it is nowhere.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use berth_report::{Code, Problem};

/// The file of a program. Where the search finds nothing that can be run, a file that is there and cannot be run
/// is told apart from one that is not there (126 and 127).
pub fn locate(word: &OsStr) -> Result<PathBuf, Problem> {
    which::which(word).map_err(|error| {
        let name = word.to_string_lossy();
        if name.contains('/') && Path::new(word).exists() {
            return Problem::new(Code::CannotRun, format!("cannot run {name}"))
                .because(io::Error::from_raw_os_error(nix::libc::EACCES));
        }
        let cause = if name.contains('/') {
            io::Error::from_raw_os_error(nix::libc::ENOENT).into()
        } else {
            anyhow::Error::new(error)
        };
        Problem::new(Code::NotFound, format!("cannot find {name}")).because(cause)
    })
}
