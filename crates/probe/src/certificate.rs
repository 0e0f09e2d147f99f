//! Whether the certificate that is served is good.
//!
//! The dates are read by webpki, which every rustls brings along: it looks at them before anything else, so that
//! asked without any trusted issuer it tells "expired", "not yet valid", or something else, which then means "in
//! time". That is 65 KB of `berth-init`, read from disk only by a check; x509-parser would be 126 KB and twenty
//! crates, and a reader of our own one more that has to withstand hostile bytes.

use std::path::Path;
use std::time::Duration;

use berth_role::TlsMode;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

use crate::connection::Connection;
use crate::error::days;
use crate::{Fault, ProbeError, Target, imap, pop3, smtp};

/// The certificates that a service served, its own first.
pub(crate) type Chain = Vec<CertificateDer<'static>>;

/// Gets the certificate, by STARTTLS where TLS does not come first, and judges it.
pub(crate) async fn speak(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    match connection.target.tls {
        TlsMode::None => return Ok("no TLS on this port".to_owned()),
        TlsMode::Implicit => {}
        TlsMode::StartTls => {
            match connection.greeting().await? {
                b'2' | b'4' | b'5' => smtp::speak(connection).await?,
                b'*' => imap::speak(connection).await?,
                b'+' | b'-' => pop3::speak(connection).await?,
                _ => {
                    return Err(
                        connection.fail(Fault::Unsupported("start TLS in the protocol that is spoken here"))
                    );
                }
            };
        }
    }
    connection.begin("certificate");
    let chain = connection.chain().ok_or_else(|| connection.fail(Fault::NoStartTls))?;
    judge(chain, connection.target).map_err(|fault| connection.fail(fault))
}

/// Whether the certificates are valid now, and those of the target's file.
pub(crate) fn judge(chain: &Chain, target: &Target) -> Result<String, Fault> {
    let left = validity(chain, UnixTime::now())?;
    if let Some(path) = &target.certificate {
        compare(chain, path)?;
    }
    Ok(format!("certificate valid for {}", days(&left)))
}

/// For how long the first certificate is still valid.
fn validity(chain: &Chain, now: UnixTime) -> Result<Duration, Fault> {
    let illegible = |error| Fault::Illegible(error);
    let first = chain.first().ok_or(illegible(Error::NoCertificatesPresented))?;
    let first = ParsedCertificate::try_from(first).map_err(illegible)?;
    let at =
        |time| verify_server_cert_signed_by_trust_anchor(&first, &RootCertStore::empty(), &[], time, &[]);
    let seconds =
        |from: UnixTime, to: UnixTime| Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()));
    match at(now) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            return Err(Fault::Expired(seconds(not_after, now)));
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            return Err(Fault::NotYetValid(seconds(now, not_before)));
        }
        Err(error @ Error::InvalidCertificate(CertificateError::BadEncoding)) => {
            return Err(illegible(error));
        }
        _ => {}
    }
    // The last moment there is: whatever is valid now has expired by then, and the error says when it will.
    match at(UnixTime::since_unix_epoch(Duration::MAX)) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Ok(seconds(now, not_after))
        }
        Err(error) => Err(illegible(error)),
        Ok(()) => Ok(Duration::MAX),
    }
}

/// The service serves what the file holds. More is no fault: OpenSSL completes a chain from what it trusts.
fn compare(chain: &Chain, path: &Path) -> Result<(), Fault> {
    let held = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Chain, pem::Error>>);
    let held = held.map_err(|error| Fault::File(path.to_owned(), error))?;
    match chain.iter().zip(&held).take_while(|(served, held)| served == held).count() {
        same if same == held.len() && same > 0 => Ok(()),
        0 => Err(Fault::Differs(path.to_owned())),
        served => Err(Fault::Incomplete { path: path.to_owned(), served, held: held.len() }),
    }
}
