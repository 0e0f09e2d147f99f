//! `cargo xtask test`: the checks and all tests, and the table of what ran.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;

use crate::docker::{self, Docker, Ensured};
use crate::outcome::{Outcome, Outcomes};
use crate::programs::{self, Packages, Programs};
use crate::run::{ask, cargo, program, relay};
use crate::{bench, build_image, check, debian, peers, release, servers, tools};

/// What can be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// `cargo xtask check`
    Check,
    /// Unit and property tests of every crate
    Unit,
    /// The sample application's own tests
    App,
    /// berth-init from outside, as PID 1 and not
    Init,
    /// Settings, read by us and by the application's own loader
    Settings,
    /// The whole service on the local engine, with clients that nobody here wrote
    Local,
    /// berth on a Docker that is made up: what it asks, decides and tells
    Compose,
    /// Containers: images, and the whole service under Compose
    Docker,
    /// Whether all that `cargo xtask bench` measures can be measured
    Bench,
}

/// Clients and peers that the black-box tests use.
const CLIENTS: &[&str] = &[
    "swaks",
    "libnet-ssleay-perl",
    "libio-socket-ssl-perl",
    "libauthen-sasl-perl",
    "isync",
    "fetchmail",
    "knot",
    "curl",
    "chromium",
    "openssl",
    "procps",
    "iproute2",
    "strace",
    "python3",
    "redis-server",
    "mmdebstrap",
    "netcat-openbsd",
];

/// Runs the named suites, or all.
pub fn run(suites: &[Suite]) -> ExitCode {
    let wanted = |suite: Suite| suites.is_empty() || suites.contains(&suite);
    let mut outcomes = Outcomes::default();
    if wanted(Suite::Check) {
        check::steps(&mut outcomes);
    }
    if wanted(Suite::Unit) {
        outcomes.step("unit tests", "cargo xtask test unit", || {
            tested(
                "unit tests",
                cargo().args(["test", "--workspace", "--exclude", "berth-tests", "--locked"]),
            )
        });
    }
    if wanted(Suite::App)
        || wanted(Suite::Init)
        || wanted(Suite::Local)
        || wanted(Suite::Docker)
        || wanted(Suite::Bench)
    {
        outcomes.step("clients for the tests", "apt-get install what is missing", install_clients);
    }
    if wanted(Suite::App) || wanted(Suite::Local) {
        outcomes.step("servers for the tests", "cargo xtask test app", servers::install);
    }
    if wanted(Suite::App) {
        outcomes.step("application", "cargo xtask test app", || application("test"));
        outcomes.step("application, on FerretDB", "cargo xtask test app", || {
            if servers::are_there() {
                application("test:stores")
            } else {
                Ok(Outcome::Skipped("FerretDB is not there".to_owned()))
            }
        });
    }
    if wanted(Suite::Init) || wanted(Suite::Local) {
        outcomes.step("clients from PyPI", "cargo xtask tools", || {
            tools::clients().map(|()| Outcome::Ok(String::new()))
        });
    }
    if wanted(Suite::Init) {
        outcomes.step("other inits", "cargo xtask compatibility", peers::install);
    }
    let black_boxes = [Suite::Init, Suite::Settings, Suite::Local, Suite::Compose, Suite::Docker];
    if black_boxes.into_iter().any(wanted) {
        outcomes.step("programs for the tests", "cargo xtask up", || {
            programs::build(Packages::All).map(|_| Outcome::Ok(String::new()))
        });
    }
    for (suite, name, remedy) in [
        (Suite::Init, "init", "cargo xtask test init"),
        (Suite::Settings, "settings", "cargo xtask test settings"),
        (Suite::Local, "local", "cargo xtask test local"),
        (Suite::Compose, "compose", "cargo xtask test compose"),
    ] {
        if wanted(suite) {
            outcomes.step(name, remedy, || black_box(name));
        }
    }
    if wanted(Suite::Bench) {
        outcomes.step("benchmark, short", "cargo xtask bench --short", bench::tried);
    }
    if wanted(Suite::Docker) {
        on_docker(&mut outcomes);
    }
    outcomes.conclude()
}

/// The application's tests, by one of its scripts.
fn application(script: &str) -> Result<Outcome> {
    let node = programs::application(Packages::All)?;
    let mut test = tools::pnpm(&node)?;
    test.env("POSTBOX_TEST_SERVERS", std::path::absolute(servers::FOLDER)?);
    tested("tests of the application", test.args(["run", script]))
}

/// What needs a Docker engine. One that was started for it is stopped at the end, whatever failed.
fn on_docker(outcomes: &mut Outcomes) {
    let mut engine = None;
    outcomes.step("docker engine", "cargo xtask docker", || match docker::ensure()? {
        Ensured::Usable(docker) => {
            let told = docker.told().to_owned();
            engine = Some(docker);
            Ok(Outcome::Ok(told))
        }
        Ensured::Missing(why) => Ok(Outcome::Skipped(why)),
    });
    let Some(docker) = engine else { return };
    outcomes.step("base images", "cargo xtask bases", || {
        docker::bases(&docker).map(|bases| Outcome::Ok(bases.told()))
    });
    outcomes.step("images", "cargo xtask build-image", || build_image::for_tests(&docker));
    outcomes.step("registry and signatures", "cargo xtask test docker", release::install_programs);
    // A browser gives up its page when a network comes or goes on the host, as those of other tests do
    // (net::ERR_NETWORK_CHANGED).
    outcomes.step("docker, a browser", "cargo xtask test docker", || {
        let mut test = suite_command("docker", Some(&docker))?;
        tested("docker, a browser", test.args(["--", "browser::"]))
    });
    outcomes.step("docker", "cargo xtask test docker", || {
        let mut test = suite_command("docker", Some(&docker))?;
        tested("docker", test.args(["--", "--skip=browser::"]).args(threads("docker")))
    });
    outcomes.step("docker engine put away", "cargo xtask docker --stop", || {
        docker.leave().map(|()| Outcome::Ok(String::new()))
    });
}

/// Tries every claim about an init on ours and on others, and writes the page of the manual that tells of it.
pub fn compatibility() -> ExitCode {
    let mut outcomes = Outcomes::default();
    outcomes.step("other inits", "cargo xtask compatibility", peers::install);
    outcomes.step("compatibility", "cargo xtask compatibility", || {
        let mut test = suite_command("init", None)?;
        tested("compatibility", test.env("SNAPSHOTS", "overwrite").args(["--", "compatibility::"]))
    });
    outcomes.conclude()
}

/// A black-box suite.
fn black_box(suite: &str) -> Result<Outcome> {
    let mut test = suite_command(suite, None)?;
    tested(suite, test.arg("--").args(threads(suite)))
}

/// Tests that wait more than they work run side by side: a role's grace is waited for, a minute of silence.
fn threads(suite: &str) -> Option<&'static str> {
    match suite {
        "init" => Some("--test-threads=8"),
        "local" => Some("--test-threads=4"),
        // Three may each have a whole installation at a time; those that want the shared one wait for it.
        "docker" => Some("--test-threads=3"),
        _ => None,
    }
}

/// The suite of `berth-init`, with all that it needs built: ready to be run, as often as one likes.
pub struct InitSuite(Programs);

impl InitSuite {
    /// With the clients and the other inits that it is tried with.
    pub fn built() -> Result<Self> {
        install_clients()?;
        tools::clients()?;
        peers::install()?;
        programs::build(Packages::All).map(Self)
    }

    /// The command that runs these tests, or all.
    pub fn command(&self, tests: &[&str]) -> Result<Command> {
        let mut test = suite_with(&self.0, "init", None)?;
        test.arg("--").args(threads("init")).args(tests);
        Ok(test)
    }
}

/// The test of the docker suite that has mails go in while every role is restarted and killed, with as many as these.
pub fn mails_in_containers(docker: &Docker, image: &str, mails: u32) -> Result<Outcome> {
    let mut test = suite_command("docker", Some(docker))?;
    test.env("BERTH_TEST_IMAGE", image)
        .env("BERTH_TEST_MAILS", mails.to_string())
        .args(["--", "nothing_lost"]);
    tested("docker", &mut test)
}

/// The tests of the docker suite that hold of every image, on this one, brought up with these words besides; gives how many it
/// has passed.
pub fn contract(docker: &Docker, image: &str, words: &[String]) -> Result<u32> {
    let mut test = suite_command("docker", Some(docker))?;
    test.env("BERTH_TEST_IMAGE", image).env("BERTH_TEST_UP", serde_json::to_string(words)?);
    test.args(["--", "contract::"]);
    let counted = counted("contract", &mut test)?;
    ensure!(counted.skipped.is_empty(), "a part of it did not run: {}", counted.told());
    Ok(counted.passed)
}

/// The test of the docker suite that releases, for both platforms.
pub fn release(docker: &Docker) -> Result<Outcome> {
    let mut test = suite_command("docker", Some(docker))?;
    test.env("BERTH_TEST_PLATFORMS", "linux/amd64,linux/arm64").args(["--", "releasing::a_release"]);
    tested("docker", &mut test)
}

/// The tests of the local suite that restart roles which cut off their clients, with as many submissions as these.
pub fn submissions_cut_off(mails: u32) -> Result<Outcome> {
    let mut test = suite_command("local", None)?;
    test.env("BERTH_TEST_MAILS", mails.to_string()).args(["--", "quiet"]);
    tested("local", &mut test)
}

/// A suite with its programs. These were built by a step before; asking for them again costs nothing.
fn suite_command(suite: &str, docker: Option<&Docker>) -> Result<Command> {
    suite_with(&programs::build(Packages::All)?, suite, docker)
}

/// The same, where the programs are built already.
fn suite_with(programs: &Programs, suite: &str, docker: Option<&Docker>) -> Result<Command> {
    let Programs { berth, init, node, app } = programs;
    let mut test = cargo();
    test.args(["test", "--package", "berth-tests", "--locked", "--test", suite]);
    test.env("BERTH_TEST_BERTH", berth).env("BERTH_TEST_INIT", init);
    test.env("BERTH_TEST_NODE", node).env("BERTH_TEST_APP", app);
    test.env("BERTH_TEST_XTASK", programs::xtask()?);
    test.envs(docker.into_iter().flat_map(Docker::environment));
    Ok(test)
}

/// Runs tests, and tells how many there were.
fn tested(what: &str, command: &mut Command) -> Result<Outcome> {
    counted(what, command).map(|counted| Outcome::Ok(counted.told()))
}

/// Runs tests and sums up what they say of themselves.
fn counted(what: &str, command: &mut Command) -> Result<Counted> {
    let (lines, ended) = relay(what, command)?;
    let counted = Counted::of(&lines);
    if !ended.success() {
        bail!("{} of {} tests failed ({ended})", counted.failed, counted.passed + counted.failed);
    }
    if counted.passed == 0 {
        bail!("no test ran");
    }
    Ok(counted)
}

/// What cargo test, or Node's test runner, and `SKIPPED name: reason` lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub passed: u32,
    pub failed: u32,
    pub skipped: Vec<String>,
}

impl Counted {
    pub fn of(lines: &[String]) -> Self {
        let mut counted = Self::default();
        for line in lines {
            let words: Vec<_> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
            match words[..] {
                ["test", "result:", _, passed, "passed", failed, "failed", ..] => {
                    counted.passed += passed.parse().unwrap_or(0);
                    counted.failed += failed.parse().unwrap_or(0);
                }
                ["#" | "ℹ", "pass", passed] => counted.passed += passed.parse().unwrap_or(0),
                ["#" | "ℹ", "fail", failed] => counted.failed += failed.parse().unwrap_or(0),
                ["SKIPPED", ..] => {
                    counted.skipped.extend(line.trim().strip_prefix("SKIPPED ").map(str::to_owned));
                }
                _ => {}
            }
        }
        counted
    }

    /// In a line: what passed, and each that was skipped.
    pub fn told(&self) -> String {
        let skips = self.skipped.iter().map(|skip| format!("skipped {skip}"));
        let told: Vec<_> = std::iter::once(format!("{} passed", self.passed)).chain(skips).collect();
        told.join("; ")
    }
}

/// Installs what is missing where that is ours to do: as root on Debian. Else the suites say what they skip.
fn install_clients() -> Result<Outcome> {
    let missing = missing_clients();
    if missing.is_empty() {
        return Ok(Outcome::Ok("all there".to_owned()));
    }
    if !debian::is_ours() {
        return Ok(Outcome::Skipped(format!(
            "not root on Debian; if missing, install: {}",
            missing.join(" ")
        )));
    }
    debian::install("install clients", &missing)?;
    Ok(Outcome::Ok(format!("installed {}", missing.join(" "))))
}

fn missing_clients() -> Vec<&'static str> {
    let here = |client: &&str| {
        let mut query = program("dpkg-query");
        ask(query.args(["-W", "-f", "${db:Status-Status}", client]))
            .is_some_and(|status| status == "installed")
    };
    CLIENTS.iter().copied().filter(|client| !here(client)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runners_say_is_summed_up() {
        let lines = [
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "ℹ pass 3",
            "# fail 4",
            "SKIPPED as_pid_1: needs root",
            "test passes ... ok",
        ];
        let expected = Counted { passed: 10, failed: 5, skipped: vec!["as_pid_1: needs root".to_owned()] };
        assert_eq!(Counted::of(&lines.map(str::to_owned)), expected);
    }
}
