//! `cargo xtask check`: what is to be clean before every commit. Everything runs though something fails; each
//! failure names what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::outcome::{Outcome, Outcomes};
use crate::programs::{self, Packages};
use crate::run::{ask, cargo, program, run as run_program, told};
use crate::{generate, links, tools};

/// Runs the checks and prints their table.
pub fn run() -> ExitCode {
    let mut outcomes = Outcomes::default();
    steps(&mut outcomes);
    outcomes.conclude()
}

/// The checks, for whoever collects outcomes.
pub fn steps(outcomes: &mut Outcomes) {
    outcomes.step("format", "cargo fmt --all", || clean(cargo().args(["fmt", "--all", "--check"])));
    outcomes.step("lints", "cargo clippy --workspace --all-targets --fix --allow-dirty, or by hand", || {
        clean(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    });
    outcomes.step("layers", "move the dependency or the name; the table is in tests/tests/layers.rs", || {
        clean(cargo().args(["test", "--quiet", "--package", "berth-tests", "--test", "layers"]))
    });
    outcomes.step(
        "unsafe code",
        "a crate that does it safely; the table is in tests/tests/unsafe_code.rs",
        || clean(cargo().args(["test", "--quiet", "--package", "berth-tests", "--test", "unsafe_code"])),
    );
    outcomes.step("generated files", "cargo xtask generate", || {
        generate::run(true).map(|()| Outcome::Ok(String::new()))
    });
    outcomes
        .step("unused dependencies", ".tools/python/bin/cargo-shear --fix", || linted("cargo-shear", &[]));
    outcomes.step("licences, bans, sources", "another crate, or a reasoned line in deny.toml", crates);
    outcomes.step("links in the docs", "mend the link", || {
        // The links of a template are those of the page that is rendered from it.
        let templates = [Path::new("crates/render/templates"), Path::new("xtask/tools")];
        let is_template = |page: &Path| templates.iter().any(|folder| page.starts_with(folder));
        let pages = tracked("*.md")?.into_iter().filter(|page| !is_template(page));
        links::check(&pages.collect::<Vec<_>>())
    });
    outcomes.step("shell scripts", "mend the script; shellcheck.net explains each code", || {
        let scripts = scripts()?;
        linted("shellcheck", &scripts.iter().map(String::as_str).collect::<Vec<_>>())
    });
    outcomes.step(
        "workflows",
        "mend the workflow; docs.zizmor.sh/audits explains each finding of zizmor",
        || {
            let workflows = tracked(".github/workflows/*.yml")?;
            let workflows: Vec<_> = workflows.iter().map(|path| path.to_string_lossy()).collect();
            let shellcheck = tools::linter("shellcheck")?.get_program().to_string_lossy().into_owned();
            let audited = linted("zizmor", &["--offline", "--no-progress", "--quiet", ".github"])?;
            let Some(mut lint) = tools::actionlint()? else {
                return Ok(Outcome::Skipped("there is no Go to build actionlint with".to_owned()));
            };
            clean(
                lint.args(["-no-color", "-shellcheck", &shellcheck])
                    .args(workflows.iter().map(|path| &**path)),
            )?;
            Ok(audited)
        },
    );
    outcomes.step("dockerfiles", "mend the file; github.com/hadolint/hadolint explains each code", || {
        let files = tracked("docker/*Dockerfile*")?.into_iter();
        let files = files.filter(|path| path.extension().is_none_or(|extension| extension != "dockerignore"));
        let files: Vec<_> = files.map(|path| path.to_string_lossy().into_owned()).collect();
        let options = ["--no-color", "--config", ".hadolint.yaml"];
        linted("hadolint", &[&options[..], &files.iter().map(String::as_str).collect::<Vec<_>>()].concat())
    });
    outcomes.step("javascript", "cd docker/app && pnpm lint --fix", || {
        let node = programs::application(Packages::All)?;
        clean(tools::pnpm(&node)?.args(["run", "lint"]))
    });
}

/// That every crate is what deny.toml allows.
pub fn crates() -> Result<Outcome> {
    linted("cargo-deny", &["--locked", "check", "licenses", "bans", "sources"])
}

fn clean(command: &mut Command) -> Result<Outcome> {
    run_program(&told(command), command).map(|_| Outcome::Ok(String::new()))
}

/// Runs a linter; skipped on a machine that has it neither from PyPI nor by itself.
fn linted(name: &str, arguments: &[&str]) -> Result<Outcome> {
    clean(tools::linter(name)?.args(arguments)).or_else(|error| {
        match error.root_cause().downcast_ref::<std::io::Error>() {
            Some(cause) if cause.kind() == ErrorKind::NotFound => {
                Ok(Outcome::Skipped(format!("no {name} here")))
            }
            _ => Err(error),
        }
    })
}

/// Files of the repository whose path ends like this, those not yet added included.
fn tracked(pattern: &str) -> Result<Vec<PathBuf>> {
    let listing = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", pattern];
    let listed = ask(program("git").args(listing)).context("cannot list the files: is this a git clone?")?;
    Ok(listed.lines().map(PathBuf::from).filter(|path| path.exists()).collect())
}

/// Scripts are known by their first line, for not all have a suffix.
fn scripts() -> Result<Vec<String>> {
    let is_script = |path: &PathBuf| {
        fs::read(path).is_ok_and(|text| {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            first.starts_with(b"#!") && (first.ends_with(b"sh") || first.ends_with(b"sh -e"))
        })
    };
    let all = tracked("*")?.into_iter().filter(is_script);
    Ok(all.map(|path| path.to_string_lossy().into_owned()).collect())
}
