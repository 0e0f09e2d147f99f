//! `cargo xtask bench`: what `berth-init` costs, beside starting the same Node programs without it: memory, start,
//! notification, and how long many mails take through submission to IMAP.
//!
//! Figures for a person to read, never asserted: they are a property of the machine and of what else it does.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::Value;

use crate::programs::{self, Packages, Programs};
use crate::run::{ask, program, say};

/// Where it keeps its installation, and the copy that the bare programs are proven through.
const STATE: &str = "target/bench/state";
const COPY: &str = "target/bench/copy";

/// Keeps its ports apart from those of a service that is up.
const OFFSET: &str = "26000";

/// How many mails go through submission to IMAP, over so many connections at a time.
const MAILS: u32 = 1000;
const CONNECTIONS: u32 = 4;

/// So long may the bare programs take to open their ports.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every comparison `runs` times, and prints medians.
pub fn run(runs: usize) -> Result<()> {
    let programs = programs::build(Packages::Production)?;
    fs::create_dir_all("target/bench")?;
    let _ = fs::remove_dir_all(STATE);
    let bench = Bench { programs };
    bench.up(&["--detach", "--no-prove"])?;
    let outcome = bench.rest(runs);
    bench.berth(&["down"])?;
    outcome
}

struct Bench {
    programs: Programs,
}

impl Bench {
    fn rest(&self, runs: usize) -> Result<()> {
        self.settled()?;
        say("memory at rest, MiB resident (init: of that anonymous)");
        for seen in self.status()? {
            let memory =
                |key: &str, field| seen[key].as_u64().and_then(|pid| kib(pid, field)).unwrap_or_default();
            println!(
                "{:<10} node {:6.1}   init {:4.2} ({:4.2})",
                seen["role"].as_str().unwrap_or_default(),
                memory("main", "VmRSS:") / 1024.0,
                memory("init", "VmRSS:") / 1024.0,
                memory("init", "RssAnon:") / 1024.0,
            );
        }
        let count = (runs * 10).to_string();
        let told: Value = serde_json::from_str(&self.berth(&["prove", "--latency", &count, "--json"])?)?;
        println!(
            "submission to IDLE notification: median {} ms, p95 {} ms, max {} ms, of {}",
            told["median_ms"], told["p95_ms"], told["max_ms"], told["mails"]
        );

        // Its record of what is wanted lets `prove` work on programs that no init keeps.
        let _ = fs::remove_dir_all(COPY);
        ask(program("cp").args(["-r", STATE, COPY])).context("cannot copy the installation")?;
        let (mut kept, mut bare) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            self.berth(&["down"])?;
            kept.push(self.kept()?);
            self.berth(&["down"])?;
            bare.push(self.bare()?);
            say(&format!("run {run} of {runs}"));
        }
        let through = self.mails_bare()?;
        self.up(&["--detach", "--no-prove"])?;
        let kept_through = mails(STATE)?;
        for (how, seconds) in [("under berth-init", kept_through), ("bare", through)] {
            let rate = f64::from(MAILS) / seconds;
            println!("{MAILS} mails through submission to IMAP, {how}: {seconds:.1} s, {rate:.0} a second");
        }
        let (kept, bare) = (median(&mut kept), median(&mut bare));
        println!(
            "start to proven mail: {kept:.2} s under berth-init, {bare:.2} s bare, {:.2} times",
            kept / bare
        );
        Ok(())
    }

    /// How long it takes to start the programs as they are, all at once, and to prove a mail through them.
    fn bare(&self) -> Result<f64> {
        let begun = Instant::now();
        let _children = self.start_bare()?;
        let prove = ask(program(&self.programs.berth).args(["prove", "--state", COPY]));
        prove.map(|_| begun.elapsed().as_secs_f64()).context("the bare programs were not proven")
    }

    /// How long many mails take through programs that nobody keeps.
    fn mails_bare(&self) -> Result<f64> {
        self.berth(&["down"])?;
        let _children = self.start_bare()?;
        mails(COPY)
    }

    /// Starts the programs as they are, all at once, and waits until they listen.
    fn start_bare(&self) -> Result<Children> {
        let desired: Value = serde_json::from_str(&fs::read_to_string(format!("{COPY}/desired.json"))?)?;
        let environment: BTreeMap<String, String> =
            serde_json::from_value(desired["wanted"]["environment"].clone())?;
        let instances = desired["wanted"]["instances"].as_array().context("nothing is wanted")?;
        let begun = Instant::now();
        let mut children = Children(Vec::new());
        for instance in instances {
            let name = instance["name"].as_str().context("a role has a name")?;
            let mut node = program(&self.programs.node);
            node.arg(format!("{name}.js")).current_dir(&self.programs.app).env_clear().envs(&environment);
            let log = fs::File::create(format!("{COPY}/{name}.log"))?;
            children.0.push(node.stderr(log.into_parts().0).spawn().context("cannot start node")?);
        }
        let ports = instances.iter().flat_map(|instance| instance["ports"].as_array().into_iter().flatten());
        for port in ports {
            let number = port["number"].as_u64().and_then(|number| u16::try_from(number).ok());
            let number = number.context("a port has a number")?;
            while TcpStream::connect(("127.0.0.1", number)).is_err() {
                if begun.elapsed() > PATIENCE {
                    bail!("nothing listens on port {number}");
                }
                sleep(Duration::from_millis(10));
            }
        }
        Ok(children)
    }

    fn up(&self, arguments: &[&str]) -> Result<String> {
        let Programs { berth, init, node, app } = &self.programs;
        let mut up = program(berth);
        up.args(["up", "--state", STATE, "--port-offset", OFFSET, "--app"]).arg(app);
        up.arg("--node").arg(node).arg("--init").arg(init).args(arguments);
        let output = up.output().context("cannot run berth")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { bail!("`berth up` failed: {said}") }
    }

    /// How long `berth up` took to the end of its proof, as it says itself: it then waits for the roles that only
    /// count as ready after a while.
    fn kept(&self) -> Result<f64> {
        let said = self.up(&["--detach"])?;
        let took =
            said.lines().find_map(|line| line.strip_suffix(" s from the start to the end of the proof"));
        took.and_then(|took| took.trim().parse().ok())
            .context("`berth up` did not say how long its proof took")
    }

    fn berth(&self, arguments: &[&str]) -> Result<String> {
        let output = ask(program(&self.programs.berth).args(arguments).args(["--state", STATE]));
        output.with_context(|| format!("`berth {}` failed", arguments.join(" ")))
    }

    fn status(&self) -> Result<Vec<Value>> {
        let status: Value = serde_json::from_str(&self.berth(&["status", "--json"])?)?;
        status["roles"].as_array().cloned().context("a status lists the roles")
    }

    /// Waits until every role is ready, which `berth status` tells by its exit code.
    fn settled(&self) -> Result<()> {
        let begun = Instant::now();
        while self.berth(&["status"]).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("not every role got ready");
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// How long many mails take from submission until IMAP shows the last: the account is the one that people try the
/// service with.
fn mails(state: &str) -> Result<f64> {
    let account: Value = serde_json::from_str(&fs::read_to_string(format!("{state}/account.json"))?)?;
    let desired: Value = serde_json::from_str(&fs::read_to_string(format!("{state}/desired.json"))?)?;
    let instances = desired["wanted"]["instances"].as_array().context("nothing is wanted")?;
    let port = |name: &str| {
        let mut ports =
            instances.iter().flat_map(|instance| instance["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).map_or(Value::Null, |port| port["number"].clone())
    };
    let plan = serde_json::json!({
        "submissions": port("submissions"), "imaps": port("imaps"), "authority": format!("{state}/tls/chain.pem"),
        "user": account["address"], "password": account["password"],
        "mails": MAILS, "threads": CONNECTIONS,
    });
    let path = "target/bench/plan.json";
    fs::write(path, format!("{plan}\n"))?;
    let client =
        ask(program("python3").arg("xtask/tools/mails.py").stdin(fs::File::open(path)?.into_parts().0));
    let took = client.context("the mails did not go through")?;
    took.trim().parse().context("the client does not say how long it took")
}

/// Ends with its programs.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A line of /proc/PID/status, in KiB (proc_pid_status(5)).
fn kib(pid: u64, field: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
