//! Whether the Node that runs the application starts, and is one that it asks for.

use anyhow::anyhow;
use berth_engine::{EngineError, Processes};
use berth_report::{Code, Problem};
use nodejs_semver::{Range, Version};
use serde_json::Value;

use crate::problem;
use crate::programs::Programs;

/// A sentence about a Node that is outside of what the application's package.json has under `engines`; nothing when it is
/// inside, or when nobody can tell. One that cannot even tell its version is refused.
pub fn look(programs: &Programs) -> anyhow::Result<Option<String>> {
    let Programs { app, node, .. } = programs;
    let processes = Processes { app: app.clone(), node: node.clone(), ..Processes::default() };
    let refused = |cause| {
        let problem = Problem::new(Code::CannotRun, format!("the Node {} does not start", node.display()));
        problem.because(cause).hint("name another: --node PATH, or BERTH_NODE")
    };
    let output = match processes.exec(&["--version"], "") {
        Err(EngineError::Run { source, .. }) => return Err(refused(anyhow!(source)).into()),
        output => output.map_err(problem::of)?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
        return Err(refused(anyhow!("--version: {}: {said}", output.status)).into());
    }
    Ok(warning(programs, &String::from_utf8_lossy(&output.stdout)))
}

fn warning(Programs { app, node, .. }: &Programs, version: &str) -> Option<String> {
    let package = fs_err::read_to_string(app.join("package.json")).ok()?;
    let asked = serde_json::from_str::<Value>(&package).ok()?["engines"]["node"].as_str()?.to_owned();
    let version = version.trim().trim_start_matches('v');
    outside(version, &asked).then(|| {
        format!(
            "{} is version {version}, and the application asks for {asked}: name another with --node",
            node.display()
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
