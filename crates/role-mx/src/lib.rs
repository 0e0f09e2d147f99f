//! The role mx.
