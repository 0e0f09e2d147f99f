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
    /// Who is given it.
    pub readers: Readers,
    /// The overlay without which nobody needs it.
    pub overlay: Option<&'static str>,
}

/// Who is given a secret. Roles read all of theirs at their start, whichever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Every role, wherever it runs.
    Roles,
    /// Every role that has the stores of containers beside it.
    RolesWithStores,
    /// Single services.
    Services,
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

/// What all roles are given that run in containers.
pub fn of_roles() -> impl Iterator<Item = &'static Secret> {
    SECRETS.iter().filter(|secret| secret.readers != Readers::Services)
}

const fn secret(name: &'static str, made: Made, readers: Readers, meaning: &'static str) -> Secret {
    Secret { name, meaning, made, readers, overlay: None }
}

/// All secrets.
pub static SECRETS: &[Secret] = &[
    secret(
        "HELPER_ENCRYPTION_KEY",
        Made::Letters(32),
        Readers::Roles,
        "encrypts what roles tell each other, keys of domains, and mail that waits for its reader",
    ),
    secret(
        "API_SECRETS",
        Made::List(64),
        Readers::Roles,
        "opens the role that keeps the mailboxes to the others",
    ),
    secret("SRS_SECRET", Made::Letters(32), Readers::Roles, "signs the return addresses of forwarded mail"),
    secret(
        "TXT_ENCRYPTION_KEY",
        Made::Hexadecimal(32),
        Readers::Roles,
        "encrypts addresses in published TXT records",
    ),
    secret(
        "WEBHOOK_SIGNATURE_KEY",
        Made::Hexadecimal(32),
        Readers::Roles,
        "signs what is posted to webhooks",
    ),
    secret(
        "SMTP_TRANSPORT_PASS",
        Made::Letters(32),
        Readers::Roles,
        "with it the service sends its own mail",
    ),
    secret(
        "AUTH_BASIC_PASSWORD",
        Made::Letters(20),
        Readers::Services,
        "asked for before any web page, with the name `admin`",
    ),
    secret("REDIS_PASSWORD", Made::Letters(32), Readers::RolesWithStores, "of the key-value store"),
    secret(
        "MONGO_PASSWORD",
        Made::Letters(32),
        Readers::Services,
        "of the user `berth` of the document store",
    ),
    secret(
        "MONGO_URI",
        Made::Documents("mail"),
        Readers::RolesWithStores,
        "the document store: accounts, domains",
    ),
    secret(
        "EMAILS_MONGO_URI",
        Made::Documents("mail_emails"),
        Readers::RolesWithStores,
        "the same, for the queue of outgoing mail",
    ),
    secret("LOGS_MONGO_URI", Made::Documents("mail_logs"), Readers::RolesWithStores, "the same, for logs"),
    secret(
        "JOURNALS_MONGO_URI",
        Made::Documents("mail_journals"),
        Readers::RolesWithStores,
        "the same, for journals of calendars",
    ),
    Secret {
        overlay: Some("ferretdb.yaml"),
        ..secret(
            "FERRETDB_POSTGRESQL_URL",
            Made::PostgreSql,
            Readers::Services,
            "the database below FerretDB",
        )
    },
];
