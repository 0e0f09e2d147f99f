//! Containers, seen from outside: what a Docker engine does with our images, and the service under Compose. One file
//! per behaviour.
//!
//! `cargo xtask test docker` finds or starts an engine and gets the base images. By hand:
//! `eval "$(cargo xtask docker)"`, then `cargo test -p berth-tests --test docker NAME`.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

mod addresses;
mod base_images;
mod bringing_up;
mod browser;
mod compose_files;
mod contract;
mod contributor;
mod down;
mod engine;
mod front;
mod health_check_cost;
mod image;
mod image_building;
mod image_check;
mod image_derived;
mod installation;
mod licences;
mod nothing_lost;
mod outside;
mod overlays;
mod pid1;
mod registry;
mod releasing;
mod rig;
mod screen;
mod stack;
mod trouble;
mod updating;
