//! A certification authority of the installation's own, and the certificate that its servers show.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use berth_engine::Folder;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

pub const AUTHORITY: &str = "tls/chain.pem";
pub const PRIVATE: &str = "tls/privkey.pem";
pub const CHAIN: &str = "tls/fullchain.pem";

const DAY: Duration = Duration::from_hours(24);
/// The longest that clients accept (CA/Browser Forum, and Apple for any authority), less a day.
const SERVER_DAYS: u32 = 397;
const AUTHORITY_DAYS: u32 = 3652;
const RENEW_DAYS: u32 = 30;

/// Makes what is not there, and the server's certificate again when it ends soon or is for other names. Keys are
/// written before what is made from them, and kept when a certificate is renewed, so that whatever is there fits
/// together at any moment.
pub fn ensure(folder: &Folder, names: &[String]) -> anyhow::Result<()> {
    let authority_key = key(folder, "tls/ca.key")?;
    let authority = authority_params()?;
    if folder.read(AUTHORITY)?.is_none() {
        folder.write(AUTHORITY, authority.self_signed(&authority_key)?.pem().as_bytes())?;
    }
    let server_key = key(folder, PRIVATE)?;
    let good = |pem: String| is_good(&pem, names, SystemTime::now());
    if folder.read(CHAIN)?.is_some_and(good) {
        return Ok(());
    }
    let server = server_params(names)?.signed_by(&server_key, &Issuer::new(authority, authority_key))?.pem();
    let chain = server.clone() + &folder.read(AUTHORITY)?.unwrap_or_default();
    folder.write("tls/cert.pem", server.as_bytes())?;
    folder.write(CHAIN, chain.as_bytes()).context("cannot keep the certificate")
}

fn key(folder: &Folder, file: &str) -> anyhow::Result<KeyPair> {
    if let Some(pem) = folder.read(file)? {
        return KeyPair::from_pem(&pem)
            .with_context(|| format!("{file} in the state folder is no private key"));
    }
    let key = KeyPair::generate()?;
    folder.write(file, key.serialize_pem().as_bytes())?;
    Ok(key)
}

/// Whether a certificate is for all these names and does not end soon.
fn is_good(pem: &str, names: &[String], now: SystemTime) -> bool {
    let Ok((_, pem)) = parse_x509_pem(pem.as_bytes()) else { return false };
    let Ok(certificate) = pem.parse_x509() else { return false };
    let soon = (now + DAY * RENEW_DAYS).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ends = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return false };
    let has = |name: &String| {
        alternatives.value.general_names.iter().any(|general| match general {
            GeneralName::DNSName(dns) => dns == name,
            GeneralName::IPAddress(address) => name.parse().is_ok_and(|ip| octets(ip) == *address),
            _ => false,
        })
    };
    ends > soon.as_secs() && names.iter().all(has)
}

fn octets(ip: std::net::IpAddr) -> Vec<u8> {
    match ip {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn authority_params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "berth's authority for this installation only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

fn server_params(names: &[String]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    let domain = names.first().map_or("", String::as_str);
    params.distinguished_name.push(DnType::CommonName, domain);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid_for(&mut params, SERVER_DAYS);
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// Another one for each certificate (RFC 5280 section 4.1.2.2): browsers refuse two of an authority with the same. The
/// library's own follows from the key, which is kept.
fn serial() -> anyhow::Result<SerialNumber> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("the system has no randomness to give")?;
    // Positive, and of one length.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// From an hour ago, for clients whose clock is behind.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let begin = SystemTime::now() - Duration::from_hours(1);
    params.not_before = begin.into();
    params.not_after = (begin + DAY * days).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(domain: &str) -> Vec<String> {
        [domain, "localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned).to_vec()
    }

    #[test]
    fn it_is_kept_until_it_ends_soon_or_is_for_another_name() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let read = |file| folder.read(file).unwrap().unwrap();
        ensure(&folder, &names("example.test")).unwrap();
        let (authority, chain, key) = (read(AUTHORITY), read(CHAIN), read(PRIVATE));
        assert!(chain.ends_with(&authority));
        ensure(&folder, &names("example.test")).unwrap();
        assert_eq!(read(CHAIN), chain);

        let days = |days: u32| SystemTime::now() + DAY * days;
        assert!(is_good(&chain, &names("example.test"), days(SERVER_DAYS - RENEW_DAYS - 1)));
        assert!(!is_good(&chain, &names("example.test"), days(SERVER_DAYS - RENEW_DAYS + 1)));

        ensure(&folder, &names("other.test")).unwrap();
        assert_ne!(read(CHAIN), chain);
        assert_eq!((read(AUTHORITY), read(PRIVATE)), (authority, key));
        let serial = |chain: &str| {
            let (_, pem) = parse_x509_pem(chain.as_bytes()).unwrap();
            pem.parse_x509().unwrap().raw_serial().to_vec()
        };
        assert_ne!(serial(&read(CHAIN)), serial(&chain));
        assert_eq!(serial(&chain).len(), 16);
    }

    #[test]
    fn the_server_is_vouched_for_by_the_authority() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        ensure(&folder, &names("example.test")).unwrap();
        let chain = folder.read(CHAIN).unwrap().unwrap();
        let (rest, server) = parse_x509_pem(chain.as_bytes()).unwrap();
        let (_, authority) = parse_x509_pem(rest).unwrap();
        let (server, authority) = (server.parse_x509().unwrap(), authority.parse_x509().unwrap());
        assert_eq!(server.issuer(), authority.subject());
        assert!(authority.is_ca() && !server.is_ca());
    }
}
