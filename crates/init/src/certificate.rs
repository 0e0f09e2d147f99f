//! The certificate that a role will serve, looked at before it is served.

use std::path::{Path, PathBuf};

use berth_report::{Code, Problem};
use berth_role::Role;
use berth_settings::Settings;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The file of the role's certificate, once it is sure that it can be read and that the key belongs to it: the
/// application reads both once, at its start, and ends when it cannot. Nothing when the role serves none.
pub fn checked(role: &Role, settings: &Settings, folder: &Path) -> Result<Option<PathBuf>, Problem> {
    let Some(files) = role.certificate else { return Ok(None) };
    let file =
        |setting: &str| settings.get(setting).filter(|path| !path.is_empty()).map(|path| folder.join(path));
    let (Some(chain), Some(key)) = (file(files.chain), file(files.key)) else {
        return Ok(None);
    };
    let refused = |what: &str, path: &Path| {
        Problem::new(
            Code::Settings,
            format!("cannot use the TLS {what} of role {}: {}", role.name, path.display()),
        )
        .hint(format!(
            "it is named by {} or {}; the role's user has to be able to read it",
            files.chain, files.key
        ))
    };
    let certificates = CertificateDer::pem_file_iter(&chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused("certificate", &chain).because(anyhow::Error::new(error)))?;
    if certificates.is_empty() {
        return Err(refused("certificate", &chain).because(anyhow::anyhow!("there is no certificate in it")));
    }
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| refused("key", &key).because(anyhow::Error::new(error)))?;
    let mismatch = |error: rustls::Error| refused("key", &key).because(anyhow::Error::new(error));
    let private = default_provider().key_provider.load_private_key(private).map_err(mismatch)?;
    CertifiedKey::new(certificates, private).keys_match().map_err(mismatch)?;
    Ok(Some(chain))
}
