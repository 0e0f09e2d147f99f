//! What an installation on Docker Compose is made of: files, variables, secrets, certificates, instances.

pub mod certificates;
pub mod env;
pub mod overlays;
pub mod secrets;
pub mod wanted;
