//! The role caldav.
