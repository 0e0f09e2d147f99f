//! `berth image check`: opens a finished image, says what is in it, and what should not be.

use std::path::Path;
use std::process::ExitCode;

use berth_engine::compose::Line;
use berth_report::{Code, Problem};
use serde::Serialize;

use super::archive::{self, Image};
use super::docker;
use super::rules::{self, Finding};
use crate::{stdout, table};

/// What is printed for machines.
#[derive(Serialize)]
struct Report {
    image: String,
    platform: String,
    user: String,
    good: bool,
    findings: Vec<Finding>,
    layers: Vec<Size>,
    /// Sums of the layers' sizes; of what is sent only where every layer says it.
    compressed: Option<u64>,
    unpacked: u64,
}

/// A layer, and its size in bytes: as it is sent, and as it is on the disk.
#[derive(Serialize)]
struct Size {
    digest: String,
    made_by: String,
    files: usize,
    compressed: Option<u64>,
    unpacked: u64,
}

pub fn run(name: &str, platform: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let architecture = platform.map(|platform| platform.rsplit_once('/').map_or(platform, |(_, last)| last));
    let image = open(name, platform, architecture)?;
    let report = report(name, &image)?;
    let text = if json { serde_json::to_string_pretty(&report)? + "\n" } else { told(&report) };
    stdout::print(&text);
    Ok(ExitCode::from(u8::from(!report.good)))
}

/// Reads a file that `docker save` or a build wrote, or an image of the engine.
fn open(name: &str, platform: Option<&str>, architecture: Option<&str>) -> anyhow::Result<Image> {
    if Path::new(name).is_file() {
        return archive::read(fs_err::File::open(name)?, architecture);
    }
    let inspect = Line::docker(["image", "inspect", "--format", "{{.Architecture}}", name]);
    let found = docker::ask(&inspect)?.map_err(|said| {
        Problem::new(Code::NotFound, format!("there is no image or file {name}"))
            .because(anyhow::anyhow!(said))
            .hint(format!("docker pull {name}"))
    })?;
    let mut words = vec!["image".to_owned(), "save".to_owned()];
    words.extend(platform.iter().flat_map(|platform| ["--platform".to_owned(), (*platform).to_owned()]));
    words.push(name.to_owned());
    docker::read(&Line::docker(words), |output| archive::read(output, Some(architecture.unwrap_or(&found))))
}

fn report(name: &str, image: &Image) -> anyhow::Result<Report> {
    let findings = rules::findings(image)?;
    let size = |layer: &super::layer::Layer| Size {
        digest: layer.digest.clone(),
        made_by: layer.made_by.clone(),
        files: layer.files.len(),
        compressed: layer.compressed,
        unpacked: layer.unpacked,
    };
    let layers: Vec<_> = image.layers.iter().map(size).collect();
    let configuration = &image.configuration;
    Ok(Report {
        image: name.to_owned(),
        platform: format!("{}/{}", configuration.os, configuration.architecture),
        user: configuration.config.user.clone(),
        good: findings.is_empty(),
        findings,
        compressed: layers.iter().map(|layer| layer.compressed).sum(),
        unpacked: layers.iter().map(|layer| layer.unpacked).sum(),
        layers,
    })
}

/// How much of an instruction fits beside the figures.
const INSTRUCTION: usize = 68;

fn told(report: &Report) -> String {
    let head = ["COMPRESSED", "UNPACKED", "FILES", "LAYER"].map(str::to_owned).to_vec();
    let row = |layer: &Size| {
        let made_by: String = layer.made_by.chars().take(INSTRUCTION).collect();
        vec![megabytes(layer.compressed), megabytes(Some(layer.unpacked)), layer.files.to_string(), made_by]
    };
    let all = vec![
        megabytes(report.compressed),
        megabytes(Some(report.unpacked)),
        report.layers.iter().map(|layer| layer.files).sum::<usize>().to_string(),
        format!("all, for {}", report.platform),
    ];
    let rows: Vec<_> = [head].into_iter().chain(report.layers.iter().map(row)).chain([all]).collect();
    let mut text = table::columns(&rows);
    if report.good {
        text += "\nNothing in it that should not be.\n";
        return text;
    }
    text += "\nWhat should not be in it:\n";
    for Finding { rule, path, message } in &report.findings {
        let colon = if path.is_empty() { "" } else { ": " };
        text.extend(["  ", rule.word(), ": ", path, colon, message, "\n"]);
    }
    text
}

/// MB (10^6 bytes), as registries and `docker images` count.
fn megabytes(bytes: Option<u64>) -> String {
    let tenths = bytes.map(|bytes| bytes / 100_000);
    tenths.map_or("-".to_owned(), |tenths| format!("{}.{} MB", tenths / 10, tenths % 10))
}
