//! The secrets that the services are given, each in a file of its own.

/// A secret of an installation: a file of its name in the folder of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// The name of the file, and for what roles read the name of the setting.
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// How it is made.
    pub made: Made,
    /// The overlay without which nobody needs it.
    pub overlay: Option<&'static str>,
}

/// How a secret is made, once. All are letters and digits, which no reader of settings changes, begin with a letter that
/// begins no number, and may be quoted in a URI as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// So many random letters and digits.
    Letters(usize),
    /// So many random hexadecimal digits.
    Hexadecimal(usize),
    /// A list of one: so many random hexadecimal digits, and a comma.
    List(usize),
    /// The URI of this database in the document store, with the password in it.
    Documents(&'static str),
    /// The URI of the database below FerretDB, with the same password in it.
    PostgreSql,
}

const fn secret(name: &'static str, made: Made, meaning: &'static str) -> Secret {
    Secret { name, meaning, made, overlay: None }
}

/// All secrets.
pub static SECRETS: &[Secret] = &[
    secret(
        "HELPER_ENCRYPTION_KEY",
        Made::Letters(32),
        "encrypts what roles tell each other, keys of domains, and mail that waits for its reader",
    ),
    secret("API_SECRETS", Made::List(64), "opens the role that keeps the mailboxes to the others"),
    secret("SRS_SECRET", Made::Letters(32), "signs the return addresses of forwarded mail"),
    secret("TXT_ENCRYPTION_KEY", Made::Hexadecimal(32), "encrypts addresses in published TXT records"),
    secret("WEBHOOK_SIGNATURE_KEY", Made::Hexadecimal(32), "signs what is posted to webhooks"),
    secret("SMTP_TRANSPORT_PASS", Made::Letters(32), "with it the service sends its own mail"),
    secret("AUTH_BASIC_PASSWORD", Made::Letters(20), "asked for before any web page, with the name `admin`"),
    secret("REDIS_PASSWORD", Made::Letters(32), "of the key-value store"),
    secret("MONGO_PASSWORD", Made::Letters(32), "of the user `berth` of the document store"),
    secret("MONGO_URI", Made::Documents("mail"), "the document store: accounts, domains"),
    secret("EMAILS_MONGO_URI", Made::Documents("mail_emails"), "the same, for the queue of outgoing mail"),
    secret("LOGS_MONGO_URI", Made::Documents("mail_logs"), "the same, for logs"),
    secret("JOURNALS_MONGO_URI", Made::Documents("mail_journals"), "the same, for journals of calendars"),
    Secret {
        name: "FERRETDB_POSTGRESQL_URL",
        meaning: "the database below FerretDB",
        made: Made::PostgreSql,
        overlay: Some("ferretdb.yaml"),
    },
];

/// What all roles read at their start, whichever they are.
pub const ROLES_READ: [&str; 11] = [
    "HELPER_ENCRYPTION_KEY",
    "API_SECRETS",
    "SRS_SECRET",
    "TXT_ENCRYPTION_KEY",
    "WEBHOOK_SIGNATURE_KEY",
    "SMTP_TRANSPORT_PASS",
    "REDIS_PASSWORD",
    "MONGO_URI",
    "EMAILS_MONGO_URI",
    "LOGS_MONGO_URI",
    "JOURNALS_MONGO_URI",
];
