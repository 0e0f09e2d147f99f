//! The role web.
