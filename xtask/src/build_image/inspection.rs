//! Looks into what was built: by `berth image check`, and with a scanner for secrets.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{berth, ensure_json, secrets};
use crate::docker::Docker;
use crate::run::{relay, say};

/// Shows what is in an image and what should not be; whether there is nothing of the latter.
pub fn show(docker: &Docker, source: &str, platform: Option<&str>) -> Result<bool> {
    say(&format!("what is in {source}"));
    let mut check = berth(docker)?;
    check.args(["image", "check", source]);
    check.args(platform.iter().flat_map(|platform| ["--platform", platform]));
    let (_, ended) = relay("look into the image", &mut check)?;
    let report = report(docker, source, platform)?;
    Ok(secrets::look(docker, source, &report)? && ended.success())
}

/// Says how large one image is beside another.
pub fn compare(docker: &Docker, ours: &str, other: &str, platform: &str) -> Result<()> {
    let (ours, other) = (report(docker, ours, Some(platform))?, report(docker, other, None)?);
    for what in ["compressed", "unpacked"] {
        let size = |report: &Value| report[what].as_f64().map(|bytes| bytes / 1e6);
        if let (Some(ours), Some(other)) = (size(&ours), size(&other)) {
            say(&format!("{what}: {ours:.1} MB of {other:.1} MB, {:.0} %", ours / other * 100.0));
        }
    }
    Ok(())
}

fn report(docker: &Docker, source: &str, platform: Option<&str>) -> Result<Value> {
    let mut check = berth(docker)?;
    check.args(["image", "check", "--json", source]);
    check.args(platform.iter().flat_map(|platform| ["--platform", platform]));
    // It ends with 1 when something should not be in the image, and says all the same what is.
    let output = check.output().context("cannot run berth")?;
    ensure_json(&String::from_utf8_lossy(&output.stdout), "berth image check")
}
