//! The service under `berth-init`, beside the same Node programs without it: memory, start, notification, and how long many mails
//! take through submission to IMAP.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::Child;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fs_err as fs;
use serde_json::Value;

use super::figures::{Row, Table, median};
use super::machine::Memory;
use super::standing::{AFTER_A_QUESTION, PATIENCE, STATE, Standing};
use super::{Effort, FOLDER};
use crate::run::{ask, program, say};

/// The copy of the installation that the bare programs are proven through.
const COPY: &str = "target/bench/copy";

/// Over so many connections at a time mails go in.
const CONNECTIONS: u32 = 4;

const OURS: &str = "under berth-init";
const BESIDE: &str = "bare";

/// What was measured.
pub struct Measured {
    /// Memory of each role at rest.
    pub memory: Table,
    /// Start and mails.
    pub times: Table,
}

/// Measures all of it.
pub fn measured(standing: &Standing, effort: Effort) -> Result<Measured> {
    let memory = memory(standing)?;
    let count = (effort.runs * 20).to_string();
    let told: Value = serde_json::from_str(&standing.berth(&["prove", "--latency", &count, "--json"])?)?;

    // Its record of what is wanted lets `prove` work on programs that no init keeps.
    let _ = fs::remove_dir_all(COPY);
    ask(program("cp").args(["-r", STATE, COPY])).context("cannot copy the installation")?;
    let (mut under, mut alone) = (Vec::new(), Vec::new());
    for run in 1..=effort.runs {
        standing.berth(&["down"])?;
        under.push(kept(standing)?);
        standing.berth(&["down"])?;
        alone.push(bare(standing)?);
        say(&format!("from the start to a mail, {run} of {}", effort.runs));
    }
    let mails_alone = mails_bare(standing, effort.mails)?;
    standing.up(&["--detach", "--no-prove"])?;
    let mails_kept = mails(STATE, effort.mails)?;
    let row = |name: &str, start, mails, notified| Row {
        name: name.to_owned(),
        medians: vec![median(start), Some(mails), notified],
    };
    let rows =
        vec![row(OURS, under, mails_kept, told["median_ms"].as_f64()), row(BESIDE, alone, mails_alone, None)];
    let columns = vec!["start to a mail through, s", "many mails to IMAP, s", "submission to IDLE, ms"];
    Ok(Measured { memory, times: Table { title: "twelve roles", columns, rows, beside: BESIDE.to_owned() } })
}

/// What each role has resident at rest, its Node and its init.
fn memory(standing: &Standing) -> Result<Table> {
    let started = standing.started()?;
    sleep(AFTER_A_QUESTION);
    let rows = started.into_iter().map(|one| {
        let (node, init) = (Memory::of(one.main)?, Memory::of(one.init)?);
        let figures = [node.resident, node.proportional, init.resident, init.anonymous];
        Ok(Row { name: one.role, medians: figures.into_iter().map(|kib| Some(kib / 1024.0)).collect() })
    });
    let rows = rows.collect::<Result<_>>()?;
    let columns = vec!["Node, MiB", "Node, PSS MiB", "berth-init, MiB", "berth-init, anonymous MiB"];
    Ok(Table { title: "at rest", columns, rows, beside: String::new() })
}

/// How long it takes to start the programs as they are, all at once, until a mail has gone through them; seconds.
fn bare(standing: &Standing) -> Result<f64> {
    let begun = Instant::now();
    let _children = start_bare(standing)?;
    mails(COPY, 1)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The same under `berth-init`, by `berth up`, which goes on to wait for what counts as ready only after a while.
fn kept(standing: &Standing) -> Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let up = scope.spawn(|| standing.up(&["--detach", "--no-prove"]));
        listening(STATE)?;
        mails(STATE, 1)?;
        let took = begun.elapsed();
        up.join().map_err(|_| anyhow!("starting the service panicked"))??;
        Ok(took.as_secs_f64())
    })
}

/// How long many mails take through programs that nobody keeps.
fn mails_bare(standing: &Standing, count: u32) -> Result<f64> {
    standing.berth(&["down"])?;
    let _children = start_bare(standing)?;
    mails(COPY, count)
}

/// Starts the programs as they are, all at once, and waits until they listen.
fn start_bare(standing: &Standing) -> Result<Children> {
    let desired = desired(COPY)?;
    let environment: BTreeMap<String, String> =
        serde_json::from_value(desired["wanted"]["environment"].clone())?;
    let instances = instances(&desired)?;
    let mut children = Children(Vec::new());
    for instance in instances {
        let name = instance["name"].as_str().context("a role has a name")?;
        let mut node = program(&standing.programs.node);
        node.arg(format!("{name}.js")).current_dir(&standing.programs.app).env_clear().envs(&environment);
        let log = fs::File::create(format!("{COPY}/{name}.log"))?;
        children.0.push(node.stderr(log.into_parts().0).spawn().context("cannot start node")?);
    }
    listening(COPY)?;
    Ok(children)
}

/// What is to run in an installation, as `berth` keeps it.
fn desired(state: &str) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(format!("{state}/desired.json"))?)?)
}

fn instances(desired: &Value) -> Result<&Vec<Value>> {
    desired["wanted"]["instances"].as_array().context("nothing is wanted")
}

/// Waits until something listens on every port that is wanted.
fn listening(state: &str) -> Result<()> {
    let desired = desired(state)?;
    let instances = instances(&desired)?;
    let begun = Instant::now();
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
    Ok(())
}

/// How long many mails take from submission until IMAP shows the last: the account is the one that people try the
/// service with.
fn mails(state: &str, count: u32) -> Result<f64> {
    let account: Value = serde_json::from_str(&fs::read_to_string(format!("{state}/account.json"))?)?;
    let desired = desired(state)?;
    let instances = instances(&desired)?;
    let port = |name: &str| {
        let mut ports =
            instances.iter().flat_map(|instance| instance["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).map_or(Value::Null, |port| port["number"].clone())
    };
    let plan = serde_json::json!({
        "submissions": port("submissions"), "imaps": port("imaps"), "authority": format!("{state}/tls/chain.pem"),
        "user": account["address"], "password": account["password"],
        "mails": count, "threads": CONNECTIONS,
    });
    let path = format!("{FOLDER}/plan.json");
    fs::write(&path, format!("{plan}\n"))?;
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
