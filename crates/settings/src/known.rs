//! The settings that are known: what each is for, who reads it, and what would be wrong with it.
//!
//! The one table of them: `berth-init check` and `explain` go by it, and docs/reference/settings.md is written from it. The
//! application has some 400 more, which have no rule here: they are passed on as they are.

/// A setting of the application that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name; `*` at the beginning stands for the prefix of a role's settings, as in `IMAP_REDIS_HOST`.
    pub key: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// What it holds, and with that what is wrong with it.
    pub kind: Kind,
    /// Which roles it concerns.
    pub readers: Readers,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// `true` or `false`.
    Flag,
    /// The number of a port.
    Port,
    /// The path of a file that is read at the start.
    File,
    /// The URI of a database, password included.
    Database,
    /// A secret.
    Secret,
    /// A secret that is a key of 32 bytes, for AES-256.
    Key,
    /// Secrets, as a list.
    Secrets,
}

impl Kind {
    /// Whether the value is never to be shown.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Database | Self::Secret | Self::Key | Self::Secrets)
    }
}

/// Which roles a setting concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// All of them: the application reads it before it does anything else.
    All,
    /// Those whose constant names it, and those that need them.
    Named,
}

/// What is known of a setting.
#[must_use]
pub fn known(key: &str) -> Option<&'static Known> {
    let exact = KNOWN.iter().find(|known| known.key == key);
    let matches = |known: &&Known| {
        known
            .key
            .strip_prefix('*')
            .and_then(|end| key.strip_suffix(end))
            .is_some_and(|start| !start.is_empty())
    };
    // `*_REDIS_HOST` says more than `*_HOST`.
    exact.or_else(|| KNOWN.iter().filter(matches).max_by_key(|known| known.key.len()))
}

const fn all(key: &'static str, kind: Kind, meaning: &'static str) -> Known {
    Known { key, meaning, kind, readers: Readers::All }
}

const fn named(key: &'static str, kind: Kind, meaning: &'static str) -> Known {
    Known { key, meaning, kind, readers: Readers::Named }
}

use Kind::{Database, File, Flag, Key, Port, Secret, Secrets, Text};

/// The known settings, by subject.
pub static KNOWN: &[Known] = &[
    // What the installation is
    all("NODE_ENV", Text, "`production` turns on TLS where a role has it by this"),
    all("SELF_HOSTED", Flag, "turns off what only the hosted service has"),
    all("APP_NAME", Text, "the name that people read"),
    all("DOMAIN", Text, "the mail domain, for other settings to name"),
    // Where it is
    all(
        "WEB_HOST",
        Text,
        "the mail domain, and the host of the web pages; the host of the machine has to be called otherwise",
    ),
    all("WEB_URL", Text, "the address of the web pages"),
    named("*_HOST", Text, "the host under which the role is reached"),
    named("*_PORT", Port, "the port on which the role listens"),
    named("*_PROTOCOL", Text, "`https`: the role speaks TLS itself"),
    named("*_SERVER_HOST", Text, "the address on which the role listens"),
    all("HTTP_PROTOCOL", Text, "the protocol of roles that have none of their own"),
    named("TRUST_PROXY", Flag, "takes a client's address from what stands in front"),
    // Certificates and keys
    named("*_SSL_CERT_PATH", File, "the certificate that the role serves, and those above it"),
    named("*_SSL_KEY_PATH", File, "its key"),
    named("*_SSL_CA_PATH", File, "the authority's certificates"),
    all("DKIM_PRIVATE_KEY_PATH", File, "the key that signs mail; every role reads it at its start"),
    all("DKIM_PRIVATE_KEY_VALUE", Secret, "that key itself, newlines as `\\n`"),
    all("DKIM_DOMAIN_NAME", Text, "the domain that signs"),
    all("DKIM_KEY_SELECTOR", Text, "the selector under which the public key is published"),
    // Secrets
    all(
        "HELPER_ENCRYPTION_KEY",
        Key,
        "encrypts what the roles tell each other and what waits for its reader",
    ),
    all(
        "HELPER_ENCRYPTION_KEY_LEGACY",
        Key,
        "the key before that, for as long as something is encrypted with it",
    ),
    named(
        "API_SECRETS",
        Secrets,
        "what the roles show each other as credentials; the first one is used, all are taken",
    ),
    named("SRS_SECRET", Secret, "signs the return addresses of what is forwarded"),
    named(
        "TXT_ENCRYPTION_KEY",
        Secret,
        "encrypts addresses in published TXT records, which need it for as long as they are published",
    ),
    named("WEBHOOK_SIGNATURE_KEY", Secret, "signs what is posted to webhooks"),
    all("SMTP_TRANSPORT_PASS", Secret, "with it the service sends its own mail"),
    named("AUTH_BASIC_ENABLED", Flag, "asks for a name and a password before any web page"),
    named("AUTH_BASIC_USERNAME", Text, "that name"),
    named("AUTH_BASIC_PASSWORD", Secret, "that password"),
    // Stores
    all("MONGO_URI", Database, "the document store; empty: none"),
    all("*_MONGO_URI", Database, "a database of its own for logs, journals, queued mail"),
    all("MONGO_USER", Text, "for other settings to name"),
    all("MONGO_PASS", Secret, "for other settings to name"),
    named("*_REDIS_HOST", Text, "the key-value store; empty: none"),
    named("*_REDIS_PORT", Port, "its port"),
    named("*_REDIS_USERNAME", Text, "the user there"),
    named("*_REDIS_PASSWORD", Secret, "the user's password"),
    named("*_REDIS_TLS", Flag, "speaks TLS with it"),
    all("REDIS_HOST", Text, "for other settings to name"),
    all("REDIS_PORT", Port, "for other settings to name"),
    all("REDIS_PASSWORD", Secret, "for other settings to name"),
    named("SQLITE_STORAGE_PATH", Text, "the folder of new mailboxes; a mailbox stays where it was made"),
    named("SQLITE_TMPDIR", Text, "temporary files of mailboxes, which may become as large as the mailbox"),
    all("AWS_ACCESS_KEY_ID", Text, "the store of backups"),
    all("AWS_SECRET_ACCESS_KEY", Secret, "its password"),
    // Mail
    named("SMTP_MESSAGE_MAX_SIZE", Text, "the largest mail that is taken"),
    named("MAX_RECIPIENTS", Text, "the most recipients of a mail"),
    named("SMTP_EXCHANGE_DOMAINS", Text, "the hosts to which the MX records of domains have to point"),
    named("SEND_EMAIL", Flag, "hands mail over to the servers of others"),
    // The sample application alone
    all("POSTBOX_STATE", Text, "the sample's folder for everything that is to stay"),
    all(
        "POSTBOX_LISTEN",
        Text,
        "the addresses on which the sample listens; those that the host does not have are skipped",
    ),
    all(
        "POSTBOX_TLS_BY_ENDING",
        Flag,
        "takes a port that ends in 465, 993 or 995 for one with TLS from the first byte",
    ),
    named("POSTBOX_MX_HOST", Text, "where the sample hands over mail for its own domain"),
    all(
        "POSTBOX_FAULTS",
        Text,
        "how the sample is to misbehave, as the real application was seen to; empty: not at all",
    ),
    named(
        "POSTBOX_DNS",
        Text,
        "the resolver that the sample asks for SPF, DKIM and DMARC; empty: the system's",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_known_by_its_name_or_by_its_end() {
        assert_eq!(known("SMTP_PORT").map(|known| known.key), Some("*_PORT"));
        assert_eq!(known("REDIS_PORT").map(|known| known.key), Some("REDIS_PORT"));
        assert_eq!(known("IMAP_REDIS_PASSWORD").map(|known| known.kind), Some(Kind::Secret));
        assert_eq!(known("LOGS_MONGO_URI").map(|known| known.kind), Some(Kind::Database));
        assert_eq!(known("_PORT"), None);
        assert_eq!(known("STRIPE_KEY"), None);
    }
}
