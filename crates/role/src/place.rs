//! What a role asks of the container that it runs in.

use crate::Bytes;

/// What a role asks of the container, or the machine, that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What the machine is called. Never the name of the web pages: the application takes a machine of that name for
    /// one on which it was developed, and starts a browser in every role.
    pub hostname: Hostname,
    /// What it asks of the world, in words; a role without may be kept from it.
    pub outside: Option<&'static str>,
    /// What it keeps, and where.
    pub volumes: &'static [Volume],
    /// The memory it takes.
    pub memory: Memory,
}

/// What a machine is called. The application greets other servers with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostname {
    /// As its role under the mail domain: `imap.example.com`.
    Own,
    /// As the address of this host is called in reverse DNS, which other servers compare with the greeting.
    Reverse,
}

/// Files that outlive a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Volume {
    /// The mailboxes. Whoever has them shares one volume, and the file locks on it, so it is a disk of this host.
    Mailboxes,
}

impl Volume {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mailboxes => "mailboxes",
        }
    }

    /// The setting that names the folder in it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Mailboxes => "SQLITE_STORAGE_PATH",
        }
    }

    /// Where the application expects it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Mailboxes => "/mnt",
        }
    }
}

/// The memory that a role takes. The two applications differ by a factor, so each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// With the application that berth exists for.
    pub application: Bounds,
    /// With the sample application.
    pub sample: Bounds,
}

/// What was measured, and what is allowed.
///
/// Work comes on top of the peak, and the limit leaves room for it: three mails of the greatest size, 50 MB, at once. What
/// these take was measured with the sample application, in containers; for the application proper the same is added to its
/// own peak, as it was not measured with such mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most that it was seen to have resident from its start until it was at rest.
    pub peak: Bytes,
    /// What it may have before it is killed. Temporary files in memory count, and so do caches of files, which the kernel
    /// gives up first.
    pub limit: Bytes,
}

impl Bounds {
    /// A peak and a limit in MiB.
    #[must_use]
    pub const fn mebibytes(peak: u64, limit: u64) -> Self {
        Self { peak: Bytes::mebibytes(peak), limit: Bytes::mebibytes(limit) }
    }
}
