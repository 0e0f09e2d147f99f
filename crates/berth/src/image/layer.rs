//! The files of a layer.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use tar::EntryType;

/// What of a file tells whether it is a program, and for which platform.
const HEAD: u64 = 20;

/// A package's description is kept up to this size.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// A layer, as far as a check asks.
#[derive(Default)]
pub struct Layer {
    /// Its blob's.
    pub digest: String,
    /// The instruction.
    pub made_by: String,
    /// Its size as it is sent; nothing where the archive has it unpacked.
    pub compressed: Option<u64>,
    /// The size of the files in it.
    pub unpacked: u64,
    pub files: BTreeMap<String, File>,
    /// What it takes away from those below: files, and whole folders' content.
    pub removed: Vec<Removed>,
}

/// What a layer takes away (OCI image layer filesystem changeset, "Whiteouts").
pub enum Removed {
    Path(String),
    ContentOf(String),
}

/// A file, folder or link.
pub struct File {
    pub kind: Kind,
    /// Mode, without the kind.
    pub mode: u32,
    pub user: u64,
    pub group: u64,
    pub size: u64,
    /// For which machine it is, if it is a program.
    pub program: Option<Program>,
    /// Its text, if it is a package.json.
    pub manifest: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Other,
}

/// A program or library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// For Linux, with the machine's number (elf.h).
    Elf(u16),
    Windows,
    MacOs,
}

impl Layer {
    /// Reads a layer, compressed or not; `size` is that of what is read.
    pub fn read(bytes: impl Read, size: u64) -> anyhow::Result<Self> {
        let mut bytes = BufReader::new(bytes);
        let mut magic = Vec::new();
        bytes.by_ref().take(4).read_to_end(&mut magic)?;
        let whole = magic.as_slice().chain(bytes);
        match magic[..] {
            [0x1f, 0x8b, ..] => {
                let layer = Self::unpacked(MultiGzDecoder::new(BufReader::new(whole)))?;
                Ok(Self { compressed: Some(size), ..layer })
            }
            [0x28, 0xb5, 0x2f, 0xfd] => {
                bail!(
                    "it is compressed with Zstandard; build with compression=gzip, or load it into an engine"
                )
            }
            _ => Self::unpacked(whole),
        }
    }

    fn unpacked(bytes: impl Read) -> anyhow::Result<Self> {
        let mut layer = Self::default();
        let mut archive = tar::Archive::new(bytes);
        for entry in archive.entries()? {
            let mut entry = entry.context("it is cut short")?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").trim_matches('/').to_owned();
            if path.is_empty() || path == "." {
                continue;
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == ".wh..wh..opq" {
                layer.removed.push(Removed::ContentOf(folder.to_owned()));
            } else if let Some(hidden) = name.strip_prefix(".wh.") {
                let slash = if folder.is_empty() { "" } else { "/" };
                layer.removed.push(Removed::Path(format!("{folder}{slash}{hidden}")));
            } else {
                let file = File::read(&mut entry, name)?;
                layer.unpacked += file.size;
                layer.files.insert(path, file);
            }
        }
        Ok(layer)
    }
}

impl File {
    fn read<R: Read>(entry: &mut tar::Entry<R>, name: &str) -> anyhow::Result<Self> {
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Folder,
            _ => Kind::Other,
        };
        let mut file = Self {
            kind,
            mode: header.mode()? & 0o7777,
            user: header.uid()?,
            group: header.gid()?,
            size: if kind == Kind::File { entry.size() } else { 0 },
            program: None,
            manifest: None,
        };
        if kind == Kind::File && name == "package.json" && file.size <= LONGEST_MANIFEST {
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            file.manifest = Some(text);
        } else if kind == Kind::File {
            let mut head = Vec::new();
            entry.take(HEAD).read_to_end(&mut head)?;
            file.program = Program::of(&head, name);
        }
        Ok(file)
    }
}

impl Program {
    /// What the first bytes of a file say.
    fn of(head: &[u8], name: &str) -> Option<Self> {
        match *head {
            // elf(5): the machine is the half-word at 18, in the order that byte 5 names.
            [0x7f, b'E', b'L', b'F', _, 2, ..] if head.len() >= 20 => {
                Some(Self::Elf(u16::from_be_bytes([head[18], head[19]])))
            }
            [0x7f, b'E', b'L', b'F', ..] if head.len() >= 20 => {
                Some(Self::Elf(u16::from_le_bytes([head[18], head[19]])))
            }
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => Some(Self::MacOs),
            // Two letters tell too little.
            [b'M', b'Z', ..] if [".exe", ".dll", ".node"].iter().any(|end| name.ends_with(end)) => {
                Some(Self::Windows)
            }
            _ => None,
        }
    }
}

/// The files that a container of these layers sees.
pub fn merged(layers: &[Layer]) -> BTreeMap<&str, &File> {
    let mut seen: BTreeMap<&str, &File> = BTreeMap::new();
    for layer in layers {
        for removed in &layer.removed {
            match removed {
                Removed::Path(path) => seen.retain(|other, _| other != path && !is_below(other, path)),
                Removed::ContentOf(folder) => seen.retain(|other, _| !is_below(other, folder)),
            }
        }
        for (path, file) in &layer.files {
            // A file in the place of a folder takes what was in it along.
            let replaces = file.kind != Kind::Folder
                && seen.get(path.as_str()).is_some_and(|other| other.kind == Kind::Folder);
            if replaces {
                seen.retain(|other, _| !is_below(other, path));
            }
            seen.insert(path, file);
        }
    }
    seen
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer of empty files, folders (with a slash at their end) and whiteouts.
    fn layer(paths: &[&str]) -> Layer {
        let mut archive = tar::Builder::new(Vec::new());
        for path in paths {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(if path.ends_with('/') {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            header.set_mode(0o644);
            header.set_size(0);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, path, std::io::empty()).unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        Layer::read(bytes.as_slice(), 0).unwrap()
    }

    #[test]
    fn a_container_sees_what_the_last_layer_left() {
        let layers = [
            layer(&["a/", "a/one", "a/two", "ab/", "ab/three", "b/", "b/four"]),
            layer(&["a/.wh.one", "b/.wh..wh..opq", "b/five", "ab"]),
        ];
        let seen: Vec<_> = merged(&layers).into_keys().collect();
        assert_eq!(seen, ["a", "a/two", "ab", "b", "b/five"]);
    }

    #[test]
    fn a_program_is_known_by_its_first_bytes() {
        let elf = |order: u8, machine: [u8; 2]| {
            [&[0x7f, b'E', b'L', b'F', 2, order][..], &[0; 12], &machine].concat()
        };
        assert_eq!(Program::of(&elf(1, [62, 0]), "node"), Some(Program::Elf(62)));
        assert_eq!(Program::of(&elf(2, [0, 22]), "node"), Some(Program::Elf(22)));
        assert_eq!(Program::of(b"\x7fELF", "short"), None);
        assert_eq!(Program::of(b"MZ\x90\x00", "a.node"), Some(Program::Windows));
        assert_eq!(Program::of(b"MZ, a novel", "a.txt"), None);
        assert_eq!(Program::of(&[0xcf, 0xfa, 0xed, 0xfe, 7], "a.node"), Some(Program::MacOs));
    }

    #[test]
    fn a_layer_that_is_packed_in_another_way_is_named() {
        let error = Layer::read(&[0x28, 0xb5, 0x2f, 0xfd, 0][..], 5).err().unwrap();
        assert!(error.to_string().contains("Zstandard"), "{error}");
    }
}
