//! The key that mail is signed with (RFC 6376).

use anyhow::Context;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_engine::Folder;

pub const SELECTOR: &str = "default";
pub const PRIVATE: &str = "dkim/private.pem";
pub const RECORD: &str = "dkim/default.txt";

/// Makes the key at the first start, and the text of the TXT record that publishes it (RFC 6376 section 3.6.1).
pub fn ensure(folder: &Folder) -> anyhow::Result<()> {
    let pem = if let Some(pem) = folder.read(PRIVATE)? {
        pem
    } else {
        let key = KeyPair::generate(KeySize::Rsa2048).ok().context("cannot make an RSA key")?;
        let der: Pkcs8V1Der = key.as_der().ok().context("cannot encode an RSA key")?;
        let pem = pem(der.as_ref());
        folder.write(PRIVATE, pem.as_bytes())?;
        pem
    };
    if folder.read(RECORD)?.is_none() {
        folder.write(RECORD, record(&pem)?.as_bytes())?;
    }
    Ok(())
}

/// The text of the TXT record for a key.
pub fn record(pem: &str) -> anyhow::Result<String> {
    let unreadable = "the DKIM key cannot be read";
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = KeyPair::from_pkcs8(&STANDARD.decode(body).context(unreadable)?).ok().context(unreadable)?;
    let public: PublicKeyX509Der = key.public_key().as_der().ok().context(unreadable)?;
    Ok(format!("v=DKIM1; k=rsa; p={}\n", STANDARD.encode(public.as_ref())))
}

/// RFC 7468: lines of 64.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_publishes_the_key_that_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        ensure(&folder).unwrap();
        let (key, published) =
            (folder.read(PRIVATE).unwrap().unwrap(), folder.read(RECORD).unwrap().unwrap());
        // The beginning of every RSA key of 2048 bits as SubjectPublicKeyInfo; PKCS#1 would begin otherwise.
        assert!(published.starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), "{published}");
        fs_err::remove_file(folder.path(RECORD)).unwrap();
        ensure(&folder).unwrap();
        assert_eq!(folder.read(PRIVATE).unwrap().unwrap(), key);
        assert_eq!(folder.read(RECORD).unwrap().unwrap(), published);
    }
}
