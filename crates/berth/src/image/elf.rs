//! What a program's file says of the machine that it is for (elf(5)).

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use berth_report::{Code, Problem};

/// The architectures that images are for, in Docker's word, and their numbers (elf.h: EM_X86_64, EM_AARCH64).
const MACHINES: [(&str, u16); 2] = [("amd64", 62), ("arm64", 183)];

/// The kind of segment that names the loader of a program which is not static (elf.h: PT_INTERP).
const INTERPRETER: u32 = 3;

/// Where there is a berth-init that can be put into images.
pub const NAME_ONE: &str = "name a static one: --init PATH; `cargo xtask build-image --programs` makes it, \
                            target/image/berth/linux-amd64/berth-init or linux-arm64";

/// For which architecture a static program is, in Docker's word.
pub fn architecture(path: &Path) -> anyhow::Result<&'static str> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(4096).read_to_end(&mut bytes)?;
    let name = path.display();
    let unfit = |why: &str| {
        Problem::new(Code::CannotRun, format!("{name} cannot be put into an image: {why}")).hint(NAME_ONE)
    };
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    // 64 bits, little-endian, as both architectures are.
    if bytes.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Err(unfit("it is no program for Linux on a processor with 64 bits").into());
    }
    let machine = MACHINES.into_iter().find(|(_, machine)| half(18) == Some(*machine));
    let (architecture, _) =
        machine.ok_or_else(|| unfit("it is for another processor than images are made for"))?;
    let segments = || {
        let start = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
        let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
        let kind = |number: usize| {
            let at = start + number * size;
            Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        };
        (0..count).map(kind).collect::<Option<Vec<_>>>()
    };
    let segments = segments().with_context(|| format!("{name} is cut short"))?;
    if segments.contains(&INTERPRETER) {
        return Err(unfit("it is not static, and the image may have another C library").into());
    }
    Ok(architecture)
}

/// The number of an architecture that has Docker's word.
pub fn machine(architecture: &str) -> anyhow::Result<u16> {
    let known = MACHINES.into_iter().find(|(word, _)| *word == architecture);
    known.map(|(_, machine)| machine).with_context(|| format!("berth-init is not made for {architecture}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The beginning of a static program: a header, and no segment.
    pub fn program(machine: u16) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        header[18..20].copy_from_slice(&machine.to_le_bytes());
        header
    }

    #[test]
    fn a_static_program_is_for_the_architecture_of_its_machine() {
        let of = |machine: u16| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs_err::write(file.path(), program(machine)).unwrap();
            architecture(file.path()).map_err(|error| error.to_string())
        };
        assert_eq!((of(62).unwrap(), of(183).unwrap()), ("amd64", "arm64"));
        assert!(of(40).unwrap_err().contains("another processor"));
        assert!(machine("arm64").unwrap() == 183 && machine("riscv64").is_err());
    }

    #[test]
    fn a_program_that_wants_a_loader_is_refused_and_so_is_what_is_none() {
        let refused = |path: &Path| architecture(path).unwrap_err().to_string();
        let ourselves = std::env::current_exe().unwrap();
        assert!(refused(&ourselves).contains("it is not static"), "{}", refused(&ourselves));
        assert!(refused(Path::new("/etc/passwd")).contains("it is no program"));
    }
}
