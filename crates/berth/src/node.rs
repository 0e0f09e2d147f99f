//! Whether the Node that runs the application is one that it asks for.

use berth_engine::{Engine, Means, Wanted};
use nodejs_semver::{Range, Version};
use serde_json::Value;

/// A sentence about a Node that is outside of what the application's package.json has under `engines`; nothing when it is
/// inside, or when nobody can tell.
pub fn warning(engine: &dyn Engine, wanted: &Wanted) -> Option<String> {
    // An image brings the Node that it was built with.
    let Means::Processes(processes) = &wanted.means else { return None };
    let package = fs_err::read_to_string(processes.app.join("package.json")).ok()?;
    let asked = serde_json::from_str::<Value>(&package).ok()?["engines"]["node"].as_str()?.to_owned();
    let output = engine.exec(wanted, &["--version"], "").ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let version = version.trim().trim_start_matches('v');
    outside(version, &asked).then(|| {
        format!(
            "{} is version {version}, and the application asks for {asked}: name another with --node",
            processes.node.display()
        )
    })
}

fn outside(version: &str, asked: &str) -> bool {
    match (version.parse::<Version>(), asked.parse::<Range>()) {
        (Ok(version), Ok(range)) => !range.satisfies(&version),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_npm_writes_them() {
        for (version, asked, is_outside) in [
            ("20.19.0", ">=22.19", true),
            ("24.1.0", ">=22.19", false),
            ("24.1.0", "^18 || ^20", true),
            ("20.1.0", "^18 || ^20", false),
            ("23.0.0", ">=18 <23", true),
            ("24.1.0", "whatever is new", false),
        ] {
            assert_eq!(outside(version, asked), is_outside, "{version} {asked}");
        }
    }
}
