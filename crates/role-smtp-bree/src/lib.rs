//! The role smtp-bree.
