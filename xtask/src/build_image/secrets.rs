//! Looks for keys and passwords in every layer of an image, those that a later layer hides included, with Kingfisher.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use super::FOLDER;
use crate::docker::Docker;
use crate::run::{program, run, say};
use crate::tools;

/// A library of the base in which published test keys are compiled: GnuTLS checks itself with them.
const KNOWN: &str = "**/libgnutls.so*";

/// Kingfisher's exit code when it found something.
const FOUND: i32 = 200;

/// The layers in which nothing was found, a digest each: the same layer is in many images, and looking takes seconds.
const CLEAN: &str = "target/image/layers-without-secrets";

/// Says what was found, without showing it; whether there is nothing. `report` is what `berth image check` says of the
/// image.
pub fn look(docker: &Docker, source: &str, report: &Value) -> Result<bool> {
    // Another scanner may find something else.
    let clean = format!("{CLEAN}-{}", scanner()?);
    let known = fs::read_to_string(&clean).unwrap_or_default();
    let digests = report["layers"].as_array().into_iter().flatten();
    let digests: Vec<_> = digests.filter_map(|layer| layer["digest"].as_str()).collect();
    let new: Vec<_> =
        digests.into_iter().filter(|digest| !known.lines().any(|line| line == *digest)).collect();
    if new.is_empty() {
        say("no secrets in any layer: all were looked into before");
        return Ok(true);
    }
    let folder = Path::new(FOLDER).join(format!("layers-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let found = unpack(docker, source, report, &new, &folder).and_then(|()| scan(&folder));
    fs::remove_dir_all(&folder)?;
    let found = found?;
    if found.is_empty() {
        let lines = new.iter().map(|digest| format!("{digest}\n"));
        fs::write(&clean, known + &lines.collect::<String>())?;
    }
    for secret in &found {
        say(&format!("a secret: {secret}"));
    }
    if found.is_empty() {
        say("no secrets in any layer");
    }
    Ok(found.is_empty())
}

/// Which release of Kingfisher it is.
fn scanner() -> Result<String> {
    let list = fs::read_to_string("xtask/tools/requirements.txt")?;
    let version =
        list.lines().find_map(|line| line.strip_prefix("kingfisher-bin==")?.split_whitespace().next());
    version.map(str::to_owned).context("no version of kingfisher is listed")
}

/// Each of these layers into a folder of its own.
fn unpack(docker: &Docker, source: &str, report: &Value, wanted: &[&str], folder: &Path) -> Result<()> {
    let saved = folder.join("image.tar");
    let archive = if Path::new(source).is_file() {
        Path::new(source)
    } else {
        run("save the image", docker.command(["image", "save", "--output"]).arg(&saved).arg(source))?;
        &saved
    };
    for (number, layer) in report["layers"].as_array().into_iter().flatten().enumerate() {
        let digest = layer["digest"].as_str().context("a layer has a digest")?;
        if !wanted.contains(&digest) {
            continue;
        }
        let path = digest
            .strip_prefix("sha256:")
            .map_or_else(|| digest.to_owned(), |hash| format!("blobs/sha256/{hash}"));
        let target = folder.join(format!("layer-{}", number + 1));
        fs::create_dir_all(&target)?;
        let mut reader = program("tar")
            .args(["--extract", "--to-stdout", "--file"])
            .arg(archive)
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run tar")?;
        let mut writer = program("tar");
        // Nobody here becomes another user, and devices are not made.
        writer.args([
            "--extract",
            "--no-same-owner",
            "--no-same-permissions",
            "--exclude=./dev/*",
            "--exclude=dev/*",
        ]);
        writer.args((!layer["compressed"].is_null()).then_some("--gzip")).arg("--directory").arg(&target);
        writer.stdin(reader.stdout.take().context("it is a pipe")?);
        let written = writer.status().context("cannot run tar")?;
        ensure!(reader.wait()?.success() && written.success(), "cannot unpack the layer {digest}");
    }
    if saved.exists() {
        fs::remove_file(saved)?;
    }
    Ok(())
}

/// What Kingfisher finds, as the kind and the file of each.
fn scan(folder: &Path) -> Result<Vec<String>> {
    let mut scanner = tools::linter("kingfisher")?;
    scanner.env("PYTHONPATH", std::path::absolute(".tools/python")?);
    // It asks nobody whether a key still opens something, and keeps nothing.
    scanner.args(["scan", "--no-validate", "--no-update-check", "--no-rule-cache", "--format", "json"]);
    scanner.args(["--exclude", KNOWN]).arg(folder);
    let output = scanner.output().context("cannot run kingfisher")?;
    if !matches!(output.status.code(), Some(0 | FOUND)) {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("kingfisher ended with {}: {}", output.status, said.lines().last().unwrap_or_default());
    }
    let told = String::from_utf8_lossy(&output.stdout);
    // A summary follows the findings.
    let first = serde_json::Deserializer::from_str(&told).into_iter::<Value>().next();
    let report = first.context("kingfisher said nothing")?.context("cannot read what kingfisher said")?;
    let findings = report["findings"].as_array().context("kingfisher tells no findings")?;
    let told = |finding: &Value| {
        let path = finding["finding"]["path"].as_str().unwrap_or_default();
        let path = Path::new(path).strip_prefix(folder).unwrap_or(Path::new(path));
        format!("{} in {}", finding["rule"]["name"].as_str().unwrap_or_default(), path.display())
    };
    Ok(findings.iter().map(told).collect())
}
