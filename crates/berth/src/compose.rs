//! What an installation on Docker Compose is made of: files, variables, secrets, certificates, instances.

pub mod env;
pub mod installation;
pub mod pins;
pub mod project;
pub mod secrets;

mod certificates;
mod choices;
mod images;
mod mistaken;
mod other_settings;
mod overlays;
mod stores;
mod wanted;
