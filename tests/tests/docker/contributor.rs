//! `cargo xtask`, as a contributor runs it.

use std::os::unix::fs::symlink;
use std::process::Command;

use berth_tests::{root, xtask};

use crate::engine::Engine;

/// In this clone.
pub fn in_this_clone(engine: &Engine) -> Command {
    let (program, manifest) = xtask();
    let mut command = engine.program(program);
    // A contributor's tool, in a contributor's environment.
    command.envs(std::env::vars_os()).env("CARGO_MANIFEST_DIR", manifest);
    command
}

/// In the folder `clone` of the test, which is made with the tools of this one, and its release.json.
pub fn in_a_clone(engine: &Engine) -> Command {
    let clone = engine.case.path("clone");
    if !clone.join(".tools").exists() {
        for folder in ["xtask", "docker"] {
            fs_err::create_dir_all(clone.join(folder)).unwrap();
        }
        for part in [".tools", "docker/release.json"] {
            symlink(root().join(part), clone.join(part)).unwrap();
        }
    }
    let mut command = in_this_clone(engine);
    command.env("CARGO_MANIFEST_DIR", clone.join("xtask"));
    command
}
