//! The role sqlite.
