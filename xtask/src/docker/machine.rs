//! The machine's own Docker engine, or whichever the environment names: whether it is good enough.

use std::process::Command;

use crate::run::{ask, program};

/// HEALTHCHECK's start interval came with 25.
const ENGINE: [u32; 2] = [25, 0];

/// The newest thing in our files is `format: raw` of an `env_file`.
const COMPOSE: [u32; 2] = [2, 30];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Own {
    /// One that can be used; its versions.
    Good(String),
    /// One that cannot, and why.
    Lacking(String),
    /// None answers.
    None,
}

/// Asks.
pub fn look() -> Own {
    let docker = |words: &[&str]| {
        let mut docker: Command = program("docker");
        ask(docker.args(words))
    };
    judge(
        docker(&["version", "--format", "{{.Server.Version}}"]).as_deref(),
        docker(&["compose", "version", "--short"]).as_deref(),
        docker(&["buildx", "version"]).as_deref(),
    )
}

fn judge(engine: Option<&str>, compose: Option<&str>, buildx: Option<&str>) -> Own {
    let Some(engine) = engine.map(str::trim) else { return Own::None };
    let compose = compose.unwrap_or_default().trim();
    if parsed(engine) < ENGINE {
        return Own::Lacking(format!("Docker Engine {engine} answers, but {} or newer is needed", ENGINE[0]));
    }
    if parsed(compose) < COMPOSE {
        let found = if compose.is_empty() { "no Compose plugin" } else { compose };
        let [major, minor] = COMPOSE;
        return Own::Lacking(format!(
            "Docker {engine} has {found}, but Compose {major}.{minor} or newer is needed"
        ));
    }
    if buildx.is_none() {
        return Own::Lacking(format!("Docker {engine} has no buildx plugin"));
    }
    Own::Good(format!("Engine {engine}, Compose {compose}"))
}

/// Major and minor version; zeros where there are no numbers.
fn parsed(version: &str) -> [u32; 2] {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_with_both_plugins_is_good_enough_and_anything_less_is_named() {
        let lacking = |engine, compose, buildx| match judge(Some(engine), compose, buildx) {
            Own::Lacking(why) => why,
            other => panic!("{other:?}"),
        };
        let good = Own::Good("Engine 28.5.2+dfsg4, Compose 2.40.3-3".to_owned());
        assert_eq!(judge(Some("28.5.2+dfsg4\n"), Some("2.40.3-3\n"), Some("github.com/docker/buildx")), good);
        assert_eq!(judge(None, Some("2.40.3"), Some("")), Own::None);
        assert!(lacking("20.10.24", Some("2.40.3"), Some("")).contains("Engine 20.10.24"));
        assert!(lacking("25.0.0", Some("v2.6.1"), Some("")).contains("v2.6.1"));
        assert!(lacking("25.0.0", None, Some("")).contains("no Compose plugin"));
        assert!(lacking("25.0.0", Some("2.30.0"), None).contains("buildx"));
    }
}
