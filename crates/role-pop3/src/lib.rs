//! The role pop3.
