//! The role imap.
