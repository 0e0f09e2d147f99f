//! Whether a mail is signed by its domain (RFC 6376), judged with a key that is already known.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::Signature;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, MessageAuthenticator, Parameters,
    ResolverCache, Txt,
};

use crate::failure::Cause;
use crate::service::DkimRecord;

/// Verifies that `domain` signed `raw` with the key of `record`. Asks no DNS.
pub(crate) async fn verify(raw: &[u8], domain: &str, record: &DkimRecord) -> Result<(), Cause> {
    let key = DomainKey::parse(record.txt.as_bytes())
        .map_err(|error| Cause::Found(format!("the published key cannot be read: {error}")))?;
    let name = format!("{}._domainkey.{domain}.", record.selector).to_ascii_lowercase();
    let known = Known { name: name.into(), key: Txt::from(key) };
    let message = AuthenticatedMessage::parse(raw);
    let message = message.ok_or_else(|| Cause::Found("what was fetched is no mail".into()))?;
    // Without a name server, so that even a slip here could ask nobody.
    let nobody = ResolverConfig::from_parts(None, vec![], vec![]);
    let authenticator = MessageAuthenticator::new(nobody, ResolverOpts::default())
        .map_err(|error| Cause::Found(format!("the verifier does not start: {error}")))?;
    judge(domain, &authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(&known)).await)
}

/// One good signature of the domain is enough (RFC 6376 section 6.1); else all are told.
fn judge(domain: &str, verdicts: &[DkimOutput<'_>]) -> Result<(), Cause> {
    let ours = |verdict: &&DkimOutput<'_>| {
        verdict.signature().is_some_and(|signature| signature.d.eq_ignore_ascii_case(domain))
    };
    if verdicts.iter().filter(ours).any(|verdict| *verdict.result() == DkimResult::Pass) {
        return Ok(());
    }
    let told: Vec<_> = verdicts
        .iter()
        .map(|verdict| match verdict.signature() {
            Some(Signature { d, s, .. }) => format!("d={d} s={s}: {}", spell(verdict.result())),
            None => spell(verdict.result()),
        })
        .collect();
    Err(Cause::Found(match told.as_slice() {
        [] => "the mail has no DKIM signature".to_owned(),
        told => format!("the mail has no good signature of {domain} ({})", told.join(", ")),
    }))
}

fn spell(result: &DkimResult) -> String {
    match result {
        // The cryptographic library says that it failed, and no more.
        DkimResult::Fail(Error::Crypto(_)) => "it is not of the published key".to_owned(),
        other => other.to_string(),
    }
}

/// A cache that knows one key, and knows that there is no other.
struct Known {
    name: Box<str>,
    key: Txt,
}

impl ResolverCache<Box<str>, Txt> for Known {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let here = self.name.borrow() == name;
        Some(if here { self.key.clone() } else { Txt::Error(Error::Dns(DnsError::InvalidRecordType)) })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
