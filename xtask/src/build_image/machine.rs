//! What a build gets from this machine to reach registries: proxies, their certificates, and npm's settings. Nothing of
//! it is in the image, nor in its history.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use super::FOLDER;
use crate::run::{ask, program};

/// BuildKit knows these arguments: they count for no cache, and are in no history.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// npm's settings that say where packages are and who asks for them; with a scope, or an address, before them.
const SETTINGS: [&str; 10] = [
    "registry",
    "_authToken",
    "_auth",
    "username",
    "_password",
    "email",
    "proxy",
    "https-proxy",
    "noproxy",
    "strict-ssl",
];

/// Goes when the build is over.
pub struct Lent(Option<PathBuf>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Adds it to a build.
pub fn lend(build: &mut Command) -> Result<Lent> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    for name in PROXIES.into_iter().filter(|name| set(name).is_some()) {
        // The value is taken from the environment, for it may hold a password.
        build.args(["--build-arg", name]);
    }
    // Where npm itself has to be told of more authorities, so has npm in a build.
    if let Some(authorities) = set("NODE_EXTRA_CA_CERTS").filter(|path| Path::new(path).is_file()) {
        build.arg("--secret").arg(format!("id=ca,src={authorities}"));
    }
    let user = ask(program("npm").args(["config", "get", "userconfig"])).map(|path| path.trim().to_owned());
    let file = user.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let environment = ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(set);
    let lines = settings(&file, environment.as_deref());
    if lines.is_empty() {
        return Ok(Lent(None));
    }
    let path = Path::new(FOLDER).join(format!("npmrc-{}", std::process::id()));
    let lent = Lent(Some(path.clone()));
    private(&path, &lines)?;
    build.arg("--secret").arg(format!("id=npmrc,src={}", path.display()));
    Ok(lent)
}

/// The lines of an npmrc that a build needs.
fn settings(file: &str, registry: Option<&str>) -> String {
    let is_needed = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        let name = name.rsplit(':').next().unwrap_or(name);
        SETTINGS.contains(&name)
    };
    let registry = registry.map(|registry| format!("registry={registry}"));
    let lines = file.lines().filter(is_needed).map(str::to_owned).chain(registry);
    lines.map(|line| line + "\n").collect()
}

/// Writes a file that nobody else reads.
fn private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    fs::create_dir_all(FOLDER)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_npms_settings_a_build_gets_what_says_where_packages_are() {
        let file = "fund=false\nregistry=https://one.test/\n//one.test/:_authToken=x\n@scope:registry=https://two.test/\n\
                    nodedir=/usr\n";
        assert_eq!(
            settings(file, None),
            "registry=https://one.test/\n//one.test/:_authToken=x\n@scope:registry=https://two.test/\n"
        );
        assert_eq!(settings("fund=false\n", Some("https://three.test/")), "registry=https://three.test/\n");
        assert_eq!(settings("nodedir=/usr\n", None), "");
    }
}
