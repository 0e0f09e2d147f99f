//! The role carddav.
