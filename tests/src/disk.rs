use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A small file system of a test's own, which only root can have. Dropped, it is gone.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// An empty one of this size (tmpfs(5): `16m`) at a folder, which is made.
    #[must_use]
    pub fn mount(folder: &Path, size: &str) -> Self {
        fs_err::create_dir_all(folder).expect("the test's own folder can be written");
        let options = format!("size={size},mode=0700");
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .expect("root mounts a file system");
        Self(folder.to_owned())
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).expect("a name takes no room");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Lets nobody write any more, as a kernel does that has found the file system damaged. Nobody may have a file open
    /// to write to it.
    pub fn make_read_only(&self) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &self.0, None::<&str>, flags, None::<&str>).expect("root mounts it anew");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still has files open there keeps it until it ends.
        let unmounted = umount2(&self.0, MntFlags::MNT_DETACH);
        assert!(unmounted.is_ok() || std::thread::panicking(), "{}: {unmounted:?}", self.0.display());
    }
}
