//! What one health check costs, beside `curl` asking the same page from a second container: CPU time of the container's
//! own cgroup, so that nothing of the engine's work is in it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::{IMAGE, done};
use crate::docker::{self, Docker};
use crate::outcome::Outcome;

/// So many of each.
const TIMES: u32 = 50;

const ROLE: &str = "berth-soak-web";
const CURL: &str = "berth-soak-curl";
const NETWORK: &str = "berth-soak";

const PATIENCE: Duration = Duration::from_mins(1);

pub fn compared(docker: &Docker) -> Result<Outcome> {
    let outcome = measured(docker);
    let _ = docker.ask(["rm", "--force", "--volumes", ROLE, CURL]);
    let _ = docker.ask(["network", "rm", NETWORK]);
    outcome
}

fn measured(docker: &Docker) -> Result<Outcome> {
    // nginx's image has curl in it, as Compose's health check of the front needs it.
    let bases = docker::bases(docker)?;
    let nginx = bases.reference("nginx").context("there is no base image with curl")?;
    done(docker, &["network", "create", "--internal", NETWORK])?;
    let words = ["run", "--detach", "--name", ROLE, "--network", NETWORK, "--env", "POSTBOX_STATE=/mnt"];
    let sample =
        ["--env", "NODE_ENV=development", "--env", "POSTBOX_LISTEN=0.0.0.0", "--env", "WEB_PORT=3000"];
    // None of the engine's own health checks is counted.
    done(docker, &[&words[..], &sample, &["--no-healthcheck", IMAGE, "web"]].concat())?;
    done(
        docker,
        &[
            "run",
            "--detach",
            "--name",
            CURL,
            "--network",
            NETWORK,
            "--entrypoint",
            "sleep",
            &nginx,
            "infinity",
        ],
    )?;
    let begun = Instant::now();
    while done(docker, &["exec", ROLE, "berth-init", "health"]).is_err() {
        if begun.elapsed() > PATIENCE {
            bail!("web is not healthy: {}", done(docker, &["logs", "--tail", "5", ROLE])?);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let page = format!("http://{ROLE}:3000/");
    let ours = each(docker, ROLE, &["berth-init", "health"])?;
    let theirs = each(docker, CURL, &["curl", "--silent", "--output", "/dev/null", &page])?;
    // What starting a program in a container costs, whatever it then does.
    let start = each(docker, CURL, &["true"])?;
    Ok(Outcome::Ok(format!(
        "CPU a time, {TIMES} times: berth-init health {ours:.1} ms with the role's own work for it, curl {theirs:.1} ms \
         alone, starting `true` {start:.1} ms"
    )))
}

/// CPU milliseconds that a container has used for one of these.
fn each(docker: &Docker, container: &str, words: &[&str]) -> Result<f64> {
    let before = used(docker, container)?;
    for _ in 0..TIMES {
        done(docker, &[&["exec", container], words].concat())?;
    }
    Ok((used(docker, container)? - before) / f64::from(TIMES))
}

/// CPU milliseconds that a container has used, all its processes together: cgroup v1's cpuacct or v2's cpu.stat.
fn used(docker: &Docker, container: &str) -> Result<f64> {
    let id = done(docker, &["inspect", "--format", "{{.Id}}", container])?;
    let old = format!("/sys/fs/cgroup/cpuacct/docker/{id}/cpuacct.usage");
    if Path::new(&old).exists() {
        return Ok(fs::read_to_string(old)?.trim().parse::<f64>()? / 1e6);
    }
    let script = "cat /sys/fs/cgroup/cpu.stat 2>/dev/null";
    let text = done(docker, &["exec", container, "sh", "-c", script])?;
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Ok(line.context("the engine counts no CPU time where we look for it")?.trim().parse::<f64>()? / 1e3)
}
