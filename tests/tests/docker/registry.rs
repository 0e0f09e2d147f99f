//! A registry of this machine, as `cargo xtask release registry` serves it.

use std::net::TcpStream;
use std::process::{Child, Command};

use berth_tests::{Ran, have_release_programs, kept_port, wait_until_within};

use crate::engine::{Engine, PATIENCE};

/// What an image is described by.
const KINDS: [&str; 4] = [
    "oci.image.index.v1",
    "oci.image.manifest.v1",
    "docker.distribution.manifest.list.v2",
    "docker.distribution.manifest.v2",
];

/// One that ends with this.
pub struct Registry {
    /// As an image's name begins with it.
    pub address: String,
    server: Child,
}

impl Registry {
    /// One with its data in this clone, whose `xtask` it is; nothing where there is no program for it.
    pub fn of(mut xtask: Command) -> Option<Self> {
        if !have_release_programs() {
            return None;
        }
        let address = format!("127.0.0.1:{}", kept_port());
        let server = xtask.args(["release", "registry", "--registry", &address]).spawn().unwrap();
        let mut registry = Self { address, server };
        wait_until_within(PATIENCE, "the registry answers", || {
            let ended = registry.server.try_wait().unwrap();
            assert!(ended.is_none(), "the registry ended: {ended:?}");
            TcpStream::connect(&registry.address).ok()
        });
        Some(registry)
    }

    pub fn end(&mut self) {
        // The command has become the server.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// The digest that it has under a tag.
    pub fn digest(&self, engine: &Engine, repository: &str, tag: &str) -> String {
        let mut curl = engine.case.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--head"]);
        // As it was pushed: whoever does not take that gets another one that is made of it.
        for kind in KINDS {
            curl.arg("--header").arg(format!("Accept: application/vnd.{kind}+json"));
        }
        let told =
            Ran::done(curl.arg(format!("http://{}/v2/{repository}/manifests/{tag}", self.address))).out;
        let digest = told.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
        digest.unwrap_or_else(|| panic!("{told}")).trim().to_owned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.end();
    }
}
