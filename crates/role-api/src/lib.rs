//! The role api.
