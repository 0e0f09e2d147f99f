//! The role sqlite-bree.
