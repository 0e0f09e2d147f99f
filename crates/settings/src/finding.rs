//! What is to be said of a setting.

use std::fmt;

use crate::Origin;

/// Whether a role can run in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The role is not started.
    Refused,
    /// It is told, and the role is started.
    Warned,
    /// It concerns others who read the file; told by `berth-init check` alone.
    Noted,
}

impl Severity {
    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::Noted => "noted",
        }
    }
}

/// Something that is wrong or odd with a setting, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands; nothing when it stands nowhere.
    pub origin: Option<Origin>,
    /// The setting, unless it is about a whole file or about none.
    pub key: Option<String>,
    /// What is wrong, without the value, and what to do.
    pub message: String,
}

impl Finding {
    /// Something for which a role is not started.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { severity: Severity::Refused, origin: None, key: None, message: message.into() }
    }

    /// Something for which a role is started all the same.
    pub fn warned(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warned, ..Self::refused(message) }
    }

    /// Something that concerns other readers of the file.
    pub fn noted(message: impl Into<String>) -> Self {
        Self { severity: Severity::Noted, ..Self::refused(message) }
    }

    /// The setting that it is about.
    #[must_use]
    pub fn of(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Where it stands.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Self {
        self.origin = Some(origin.clone());
        self
    }
}

/// `.env:12 API_SECRETS: does not end in a comma`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.key) {
            (Some(origin), Some(key)) => write!(f, "{origin} {key}: ")?,
            (Some(origin), None) => write!(f, "{origin}: ")?,
            (None, Some(key)) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}
