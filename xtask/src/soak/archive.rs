//! What a kernel unpacks as its first file system: an archive of cpio, of the kind that is called newc.
//! <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Modes (inode(7)).
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive under way.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    count: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    pub fn folder(&mut self, name: &str) {
        if self.folders.insert(name.to_owned()) {
            self.entry(name, FOLDER, &[], [0, 0]);
        }
    }

    pub fn file(&mut self, name: &str, text: &[u8]) {
        self.entry(name, FILE, text, [0, 0]);
    }

    pub fn program(&mut self, name: &str, bytes: &[u8]) {
        self.entry(name, PROGRAM, bytes, [0, 0]);
    }

    /// A program or a library, and the folders that it is in here.
    pub fn program_at(&mut self, path: &Path, bytes: &[u8]) {
        let name = path.to_string_lossy().trim_start_matches('/').to_owned();
        for (end, _) in name.match_indices('/') {
            self.folder(&name[..end]);
        }
        self.program(&name, bytes);
    }

    /// `/dev/console`, without which the first program has no standard output.
    pub fn console(&mut self) {
        self.entry("dev/console", CHARACTER_DEVICE, &[], [5, 1]);
    }

    /// All of it.
    pub fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], [0, 0]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, bytes: &[u8], [major, minor]: [u32; 2]) {
        self.count += 1;
        let size = u32::try_from(bytes.len()).expect("no file of ours has 4 GiB");
        let length = u32::try_from(name.len() + 1).expect("no name of ours has 4 GiB");
        let mut header = "070701".to_owned();
        for field in [self.count, mode, 0, 0, 1, 0, size, 0, 0, major, minor, length, 0] {
            let _ = write!(header, "{field:08X}");
        }
        self.bytes.extend(header.into_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_begins_at_a_multiple_of_four() {
        let mut archive = Archive::default();
        archive.program_at(Path::new("/lib/a"), b"12345");
        let bytes = archive.end();
        let text = String::from_utf8(bytes).unwrap();
        let folder = "070701000000010000 41ED".replace(' ', "");
        assert!(text.starts_with(&folder), "{text}");
        assert_eq!(text.find("lib\0").map(|at| at % 4), Some(110 % 4));
        assert_eq!(text.find("12345").map(|at| at % 4), Some(0));
        assert_eq!(text.len() % 4, 0);
    }
}
