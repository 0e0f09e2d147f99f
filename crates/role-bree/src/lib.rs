//! The role bree.
