//! The state folder: where an installation keeps what it is.
//!
//! Everything in it is for its owner only. A file that must survive a crash is written beside its place and
//! renamed into it (rename(2)), with both the file and the folder on disk before anybody relies on it.

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err::OpenOptions;
use fs_err::os::unix::fs::OpenOptionsExt;

/// The format of the folder that this version reads and writes.
const VERSION: &str = "1";

/// A socket's path and its final NUL fit into 108 bytes (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is none.
    #[error("there is no installation in {0}")]
    Absent(PathBuf),
    /// Another version wrote it.
    #[error("{folder} has format {found}, and this version knows format {VERSION}")]
    Version {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: String,
    },
    /// Somebody else is changing things.
    #[error("{folder} is being changed by {holder}")]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process that does it.
        holder: String,
    },
    /// Its path leaves no room for that of a socket.
    #[error("{0} is too long for the path of a socket, which takes 107 bytes")]
    TooLong(PathBuf),
    /// A file in it cannot be used; the error names it.
    #[error("cannot use the state folder")]
    File(#[from] io::Error),
}

/// A state folder that is there and has the right format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a state folder, made if it is not there.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        private_folder(path)?;
        let folder = Self(path.canonicalize()?);
        if !folder.path("version").exists() {
            folder.write("version", format!("{VERSION}\n").as_bytes())?;
        }
        let folder = folder.checked()?;
        for inside in ["run", "logs", "tmp", "data", "tls", "dkim"] {
            private_folder(&folder.path(inside))?;
        }
        Ok(folder)
    }

    /// A state folder as it would be, by the name that it will have: it need not be there, and nothing makes it.
    #[must_use]
    pub fn would_be(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let named = path.ancestors().find_map(|above| {
            let rest = path.strip_prefix(above).ok()?;
            Some(above.canonicalize().ok()?.components().chain(rest.components()).collect())
        });
        Self(named.unwrap_or(path))
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path("version").exists()
    }

    /// Opens a state folder that is there.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        match fs_err::metadata(path.join("version")) {
            Ok(_) => Self(path.canonicalize()?).checked(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(FolderError::Absent(path.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn checked(self) -> Result<Self, FolderError> {
        let found = fs_err::read_to_string(self.path("version"))?.trim().to_owned();
        if found == VERSION { Ok(self) } else { Err(FolderError::Version { folder: self.0, found }) }
    }

    /// The path of something in it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    /// The control socket of an instance.
    pub fn socket(&self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.0.join("run").join(format!("{name}.sock"));
        if path.as_os_str().as_bytes().len() > LONGEST_SOCKET {
            return Err(FolderError::TooLong(path));
        }
        Ok(path)
    }

    /// The log of an instance.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join("logs").join(format!("{name}.log"))
    }

    /// The text of a file in it; nothing when there is no such file.
    pub fn read(&self, inside: &str) -> Result<Option<String>, FolderError> {
        match fs_err::read_to_string(self.path(inside)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => Ok(read.map(Some)?),
        }
    }

    /// Writes a file in it, for its owner only (tempfile makes files 0600), whole or not at all.
    pub fn write(&self, inside: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path(inside);
        let beside = path.parent().unwrap_or(&self.0);
        Ok(replace(beside, &path, bytes, None)?)
    }

    /// Writes a file that others than its owner read, whole or not at all, with the folders above it; whether there was
    /// anything to write. What holds these bytes already is left as it is, its time too.
    pub fn keep(&self, inside: &Path, bytes: &[u8], mode: u32) -> Result<bool, FolderError> {
        let path = self.0.join(inside);
        if fs_err::read(&path).is_ok_and(|there| there == bytes)
            && path.metadata()?.permissions().mode() & 0o777 == mode
        {
            return Ok(false);
        }
        let beside = path.parent().unwrap_or(&self.0);
        fs_err::create_dir_all(beside)?;
        replace(beside, &path, bytes, Some(mode))?;
        Ok(true)
    }

    /// Makes a folder in it, with those above it, that has this mode from now on.
    pub fn make(&self, inside: &Path, mode: u32) -> Result<(), FolderError> {
        let path = self.0.join(inside);
        fs_err::create_dir_all(&path)?;
        Ok(fs_err::set_permissions(&path, Permissions::from_mode(mode))?)
    }

    /// Lets nobody else change what runs until the lock is dropped. `purpose` is told to those who try.
    pub fn lock(&self, purpose: &str) -> Result<Lock, FolderError> {
        let path = self.path("lock");
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let (mut file, read_only) = match open {
            // flock(2) asks for no right to write.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                (fs_err::File::open(&path)?, Some(error))
            }
            file => (file?, None),
        };
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                let holder = match holder.trim() {
                    "" => "another berth",
                    holder => holder,
                };
                return Err(FolderError::Locked { folder: self.0.clone(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let text = format!("berth {purpose} (pid {})\n", std::process::id());
        // Written over what was there, whose room it has where there is no other.
        let mut tell = || file.write_all(text.as_bytes()).and_then(|()| file.set_len(text.len() as u64));
        let untold = read_only.or_else(|| tell().err());
        if untold.is_some() {
            // Nobody is to be told of an earlier holder, if that can be helped.
            let _ = file.set_len(0);
        }
        Ok(Lock { file: file.into_parts().0, untold })
    }

    /// Writes a file into a folder of it that tells others what this process has made, until it takes that away
    /// again. When it ends before, the file is found by [`Self::abandoned`].
    pub fn claim(&self, inside: &str, text: &str) -> Result<Claim, FolderError> {
        let path = self.path(inside);
        let beside = path.parent().unwrap_or(&self.0);
        private_folder(beside)?;
        // Locked before it has its name, so that nobody takes it for abandoned.
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(beside)?;
            file.as_file_mut().write_all(text.as_bytes())?;
            file.as_file().lock()?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        };
        let file = write().map_err(|error| cannot_write(&path, &error))?;
        Ok(Claim { path, text: text.to_owned(), _lock: Lock { file, untold: None } })
    }

    /// The claims in a folder of it whose makers have ended; ours from now on.
    pub fn abandoned(&self, inside: &str) -> Result<Vec<Claim>, FolderError> {
        let mut claims = Vec::new();
        let entries = match fs_err::read_dir(self.path(inside)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(claims),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            // It may be withdrawn in this moment.
            let Ok(mut file) = File::options().read(true).open(&path) else { continue };
            if file.try_lock().is_ok() {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                claims.push(Claim { path, text, _lock: Lock { file, untold: None } });
            }
        }
        Ok(claims)
    }
}

/// What somebody has made and will take away.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// What it is.
    pub text: String,
    _lock: Lock,
}

impl Claim {
    /// It was taken away.
    pub fn withdraw(self) -> Result<(), FolderError> {
        Ok(fs_err::remove_file(self.path)?)
    }
}

/// Held by whoever changes what runs; the kernel lets go of it when its holder ends (flock(2)).
#[derive(Debug)]
pub struct Lock {
    file: File,
    untold: Option<io::Error>,
}

impl Lock {
    /// Why others are not told who holds it, if they are not.
    #[must_use]
    pub fn untold(&self) -> Option<&io::Error> {
        self.untold.as_ref()
    }
}

impl Drop for Lock {
    /// What is being started meanwhile has the file as well until its execve(2), and would hold the lock as long.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Writes a file for its owner only, or with this mode, whole or not at all.
fn replace(beside: &Path, path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(beside)?;
        file.as_file_mut().write_all(bytes)?;
        if let Some(mode) = mode {
            file.as_file().set_permissions(Permissions::from_mode(mode))?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs_err::File::open(beside)?.sync_all()
    };
    write().map_err(|error| cannot_write(path, &error))
}

/// The error with the name that the file would have had: it is written under another one.
fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot make {}: {error}", path.display()))),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_for_its_owner_only_and_keeps_its_format() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/state");
        let folder = Folder::create(&path).unwrap();
        folder.write("settings.env", b"A=1\n").unwrap();
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.clone()), mode(path.join("tls"))), (0o700, 0o700));
        assert_eq!(mode(folder.path("settings.env")), 0o600);
        assert_eq!(Folder::open(&path).unwrap(), folder);
        folder.write("version", b"2\n").unwrap();
        assert!(matches!(Folder::create(&path), Err(FolderError::Version { found, .. }) if found == "2"));
        assert!(matches!(Folder::open(parent.path()), Err(FolderError::Absent(_))));
        assert!(matches!(Folder::open(&path.join("version")), Err(FolderError::File(_))), "it is a file");
    }

    /// A relative path, and one by way of a link, were told as they were given.
    #[test]
    fn one_that_is_not_there_yet_has_the_name_that_it_will_have() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        fs_err::create_dir(parent.path().join("real")).unwrap();
        fs_err::os::unix::fs::symlink("real", &link).unwrap();
        let would_be = Folder::would_be(&link.join("deep/state"));
        assert!(!would_be.is_there() && !link.join("deep").exists(), "nothing makes it");
        assert_eq!(Folder::create(&link.join("deep/state")).unwrap(), would_be);
        assert!(would_be.is_there() && Folder::would_be(&link.join("deep/state")) == would_be);
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(Folder::would_be(Path::new("not/there")).path(""), here.join("not/there/"));
    }

    #[test]
    fn a_second_change_is_told_who_makes_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let lock = folder.lock("up").unwrap();
        let error = folder.lock("down").unwrap_err().to_string();
        assert!(error.ends_with(&format!("berth up (pid {})", std::process::id())), "{error}");
        drop(lock);
        folder.lock("down").unwrap();
    }

    #[test]
    fn only_what_its_maker_has_left_behind_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        assert!(folder.abandoned("proofs").unwrap().is_empty(), "there was no proof yet");
        let claim = folder.claim("proofs/one", "a@example.test").unwrap();
        assert!(folder.abandoned("proofs").unwrap().is_empty(), "its maker lives");
        drop(claim);
        let [left] = folder.abandoned("proofs").unwrap().try_into().unwrap();
        assert_eq!(left.text, "a@example.test");
        assert!(folder.abandoned("proofs").unwrap().is_empty(), "it is somebody's again");
        left.withdraw().unwrap();
        assert_eq!(fs_err::read_dir(folder.path("proofs")).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        let folder = Folder(PathBuf::from("/").join("x".repeat(100)));
        assert!(matches!(folder.socket("imap"), Err(FolderError::TooLong(_))));
    }
}
