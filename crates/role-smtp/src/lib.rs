//! The role smtp.
