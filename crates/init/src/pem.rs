//! Certificates and keys that the application will read, looked at before it does: it reads them once, at its start, and
//! ends when it cannot.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use berth_role::{Port, Role, Tls};
use berth_settings::{Finding, Settings};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The key with which every role signs mail, and which every role reads.
const DKIM_KEY: &str = "DKIM_PRIVATE_KEY_PATH";

/// A file that is longer holds no chain and no key: those of public authorities have some 4 KiB.
const LONGEST: u64 = 1024 * 1024;

/// A file that a setting names.
struct File<'a> {
    setting: &'a str,
    path: PathBuf,
}

/// The file of the role's certificate, if it serves one and if it can. What is wrong with it, its key and the key for
/// DKIM goes to `findings`.
pub fn check(
    role: &Role,
    settings: &Settings,
    folder: &Path,
    findings: &mut Vec<Finding>,
) -> Option<PathBuf> {
    let file = |setting: &'static str| {
        let path = settings.get(setting).filter(|path| !path.is_empty())?;
        Some(File { setting, path: folder.join(path) })
    };
    let mut tell = |setting: &str, message: String| {
        findings.push(settings.about(setting, Finding::refused(message)));
    };
    if let Some(file) = file(DKIM_KEY)
        && let Err(message) = key(&file.path)
    {
        tell(file.setting, message);
    }
    let files = role.certificate?;
    if let Some(file) = file(files.authority)
        && let Err(message) = certificates(&file.path)
    {
        tell(file.setting, message);
    }
    let (chain, private) = match (file(files.chain), file(files.key)) {
        (Some(chain), Some(private)) => (chain, private),
        (None, None) => {
            // One that is not given at all was told by the settings' own rules.
            let given = |setting: &&str| settings.setting(setting).is_some();
            for setting in [files.chain, files.key].into_iter().filter(given) {
                if reads_certificate(role, settings) {
                    tell(setting, "is empty, and the role does not start without a certificate".to_owned());
                }
            }
            return None;
        }
        (Some(chain), None) => {
            tell(chain.setting, format!("names a certificate, but {} names no key", files.key));
            return None;
        }
        (None, Some(private)) => {
            tell(private.setting, format!("names a key, but {} names no certificate", files.chain));
            return None;
        }
    };
    match (certificates(&chain.path), key(&private.path)) {
        (Ok(certificates), Ok(key)) => match belong_together(certificates, key) {
            Ok(()) => return Some(chain.path),
            Err(error) => {
                let shown = (private.path.display(), chain.setting);
                tell(
                    private.setting,
                    format!("{} is not the key of the certificate in {}: {error}", shown.0, shown.1),
                );
            }
        },
        (certificates, key) => {
            if let Err(message) = certificates {
                tell(chain.setting, message);
            }
            if let Err(message) = key {
                tell(private.setting, message);
            }
        }
    }
    None
}

/// Whether the application reads the files of the certificate at its start, come what may: in production all do but those
/// that speak HTTP, which serve it in plain text where no file is named.
fn reads_certificate(role: &Role, settings: &Settings) -> bool {
    let reads = |port: &Port| !matches!(port.tls, Tls::WhenHttps(_));
    settings.get("NODE_ENV") == Some("production") && role.ports.iter().any(reads)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = text(path)
        .and_then(|text| CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<CertificateDer>, _>>());
    match certificates {
        Ok(none) if none.is_empty() => Err(format!("there is no certificate in {}", path.display())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    text(path).and_then(|text| PrivateKeyDer::from_pem_slice(&text)).map_err(|error| match error {
        pem::Error::NoItemsFound => format!("there is no private key in {}", path.display()),
        error => unusable(path, &error),
    })
}

/// What a regular file holds. A pipe or a device might never end.
fn text(path: &Path) -> Result<Vec<u8>, pem::Error> {
    let read = || {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut text = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "whoever tells the error names the file")]
        std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other(format!("it is longer than {} KiB", LONGEST / 1024)));
        }
        Ok(text)
    };
    read().map_err(pem::Error::Io)
}

fn belong_together(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<(), rustls::Error> {
    let key = default_provider().key_provider.load_private_key(key)?;
    CertifiedKey::new(certificates, key).keys_match()
}

/// Why a file cannot be used; where it may not be read, whose it is and who we are.
fn unusable(path: &Path, error: &pem::Error) -> String {
    let shown = path.display();
    let pem::Error::Io(error) = error else { return format!("{shown} cannot be used: {error}") };
    if path.is_dir() {
        return format!("{shown} is a folder (Docker makes one where a file to mount is missing)");
    }
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return format!("{shown} cannot be read: {error}");
    }
    let us = nix::unistd::geteuid();
    // Without a look at the file itself, it is a folder above it that keeps us out.
    let whose = fs_err::metadata(path).map_or_else(
        |_| "a folder above it may not be entered".to_owned(),
        |about| format!("owner uid {}, mode {:04o}", about.uid(), about.mode() & 0o7777),
    );
    format!("{shown} may not be read: {whose}, and we are uid {us}")
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use proptest::prelude::*;

    use super::*;

    /// A file as openssl(1) writes it: 64 letters a line.
    fn written(label: &str, der: &[u8]) -> String {
        let letters = BASE64_STANDARD.encode(der);
        let lines = letters.as_bytes().chunks(64).map(String::from_utf8_lossy);
        let lines: Vec<_> = lines.collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_whatever_stands_around_it(
            ders in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..4), around in "[^-]{0,40}",
            der in prop::collection::vec(any::<u8>(), 1..200),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.pem");
            let blocks: Vec<_> = ders.iter().map(|der| written("CERTIFICATE", der)).collect();
            fs_err::write(&path, format!("{around}\n{}{}", blocks.concat(), written("PRIVATE KEY", &der))).unwrap();
            let read = certificates(&path).unwrap();
            prop_assert_eq!(read.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>(), ders);
            let read = key(&path).unwrap();
            prop_assert_eq!(read.secret_der(), der);
        }

        /// Cut, changed, or made of nothing at all: it is read, or told with the name of the file and without what is in it.
        #[test]
        fn any_file_is_read_or_told(
            bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..300usize, byte in any::<u8>(), is_cut in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.pem");
            let mut damaged = written("PRIVATE KEY", b"not-to-be-seen, not-to-be-seen").into_bytes();
            if let (Some(place), false) = (damaged.get_mut(at), is_cut) {
                *place = byte;
            }
            damaged.truncate(if is_cut { at } else { usize::MAX });
            for text in [&bytes, &damaged] {
                fs_err::write(&path, text).unwrap();
                for told in [certificates(&path).err(), key(&path).err()].into_iter().flatten() {
                    prop_assert!(told.contains("a.pem") && !told.contains("bm90LXRv"), "{told}");
                }
            }
        }
    }

    /// /dev/zero has no line end: it was once read for as long as there was memory. A pipe keeps whoever opens it waiting.
    #[test]
    fn what_is_no_file_or_too_long_is_told_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [Path::new("/dev/zero"), &pipe] {
            assert_eq!(key(path).unwrap_err(), format!("{} cannot be read: it is no file", path.display()));
            assert!(certificates(path).is_err());
        }
        let long = folder.path().join("long");
        fs_err::write(&long, "x".repeat(1024 * 1024 + 1)).unwrap();
        assert!(certificates(&long).unwrap_err().ends_with("cannot be read: it is longer than 1024 KiB"));
    }
}
