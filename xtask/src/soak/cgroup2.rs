//! Control groups of version 2 alone, which a machine of today may not have: `berth-init` in a virtual machine, below a
//! limit that is its group's parent's, as an engine sets it. And what nobody wants on his own machine: a clock that jumps.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::machine::{self, Machine};
use crate::outcome::Outcome;
use crate::{programs, tools};

/// Runs under `berth-init`, which is the machine's PID 1. Each line that is looked at begins with a word and a colon.
const CHECKS: &str = r#"
groups=/sys/fs/cgroup
echo "kernel: $(uname -r)"
echo "controllers: $(cat $groups/cgroup.controllers)"
mkdir $groups/slice
for group in $groups $groups/slice; do echo "+memory +pids" > $group/cgroup.subtree_control; done
echo 320M > $groups/slice/memory.max
export BERTH_APP_DIR=/app BERTH_NODE=/node BERTH_LOG_FORMAT=json

# Runs words in a group of their own, below the limit.
inside() {
    group=$groups/slice/$1
    shift
    mkdir -p $group
    (echo 0 > $group/cgroup.procs && exec "$@")
    echo "code: $?"
}
# Makes this the program of the role.
role() {
    echo "$1" > /app/mx.js
}

echo "step: explain"
inside one /berth-init explain mx --json
echo "step: heap"
role 'import v8 from "node:v8"; console.log(`node: ${process.version} ${process.execArgv} ${v8.getHeapStatistics().heap_size_limit}`)'
inside one /berth-init mx
echo "step: memory"
role 'const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));'
inside two /berth-init mx
echo "oom_kill: $(sed -n 's/^oom_kill //p' $groups/slice/two/memory.events)"
echo "step: killed"
role 'process.kill(process.pid, "SIGKILL");'
inside two /berth-init mx
echo "step: processes"
mkdir $groups/slice/three
echo 1 > $groups/slice/three/pids.max
inside three /berth-init -- true
echo "step: clock"
seconds() { cut -d. -f1 /proc/uptime; }
/berth-init --stop=role --drain 1 --grace 4 -- sh -c 'trap "" TERM; echo started; while :; do sleep 1; done' > /started &
init=$!
until [ -s /started ]; do sleep 1; done
begun=$(seconds)
kill -TERM $init
date -s "2001-01-01 00:00:00"
sleep 1
date -s "2037-01-01 00:00:00"
wait $init
echo "code: $?"
echo "took: $(($(seconds) - begun))"
echo "step: over"
"#;

/// 60 %, mx's share, of what 64 MiB for Node itself leave of 320.
const ARGUMENT: &str = "--max-old-space-size=153";

/// Boots it, and looks at what was said.
pub fn tried() -> Result<Outcome> {
    let machine = match Machine::get()? {
        Ok(machine) => machine,
        Err(skipped) => return Ok(skipped),
    };
    let app = [
        ("app/.env.schema", String::new()),
        ("app/package.json", r#"{"type": "module"}"#.to_owned()),
        ("app/mx.js", String::new()),
    ];
    let lines = machine.run(&programs::init()?, &tools::node()?, &app, CHECKS)?;
    let said = Said(lines);
    ensure!(said.step("over").is_some(), "it did not come to its end");

    let explained: String =
        said.part("explain")?.iter().filter(|line| !line.starts_with("code: ")).cloned().collect();
    let explained: Value = serde_json::from_str(&explained).context("what explain says is no JSON")?;
    let heap = &explained["heap"];
    ensure!(heap["limit_from"] == "/sys/fs/cgroup/slice/memory.max", "the limit is from elsewhere: {heap}");
    ensure!(heap["limit_bytes"] == 320_u64 << 20, "the limit is another: {heap}");
    ensure!(explained["arguments"][0] == ARGUMENT, "Node is given {}", explained["arguments"]);

    let node = said.after("heap", "node: ")?;
    ensure!(node.contains(ARGUMENT), "Node was given something else: {node}");
    said.ends("heap", "0")?;

    said.ends("memory", "137")?;
    ensure!(
        said.after("memory", "oom_kill: ")? == "1",
        "the kernel has counted {}",
        said.after("memory", "oom_kill: ")?
    );
    let verdict = said.verdict("memory")?;
    ensure!(verdict == "out-of-memory", "a kill for lack of memory is told as {verdict}");

    // In the same group, which has that kill in its books.
    said.ends("killed", "137")?;
    let killed = said.verdict("killed")?;
    ensure!(killed == "killed", "a kill by somebody is told as {killed}");

    said.ends("processes", "126")?;

    // A grace by the clock on the wall would be over at once, or in 36 years.
    said.ends("clock", "137")?;
    let took: u64 = said.after("clock", "took: ")?.parse().context("seconds are a number")?;
    ensure!((3..60).contains(&took), "with a clock that jumps a grace of 4 s took {took} s");
    Ok(Outcome::Ok(format!(
        "Linux {}, {}: {ARGUMENT} by {}; the kernel's kill is {verdict}, anybody's is {killed}; at pids.max 126; a clock that jumps by decades: a grace of 4 s took {took} s",
        said.anywhere("kernel: ")?,
        machine::ACCELERATION,
        heap["because"].as_str().unwrap_or_default(),
    )))
}

/// What the machine wrote, line by line.
struct Said(Vec<String>);

impl Said {
    /// Where a step begins.
    fn step(&self, step: &str) -> Option<usize> {
        self.0.iter().position(|line| *line == format!("step: {step}"))
    }

    /// The lines of a step.
    fn part(&self, step: &str) -> Result<&[String]> {
        let begin = self.step(step).with_context(|| format!("it did not come to {step}"))? + 1;
        let count = self.0[begin..].iter().take_while(|line| !line.starts_with("step: ")).count();
        Ok(&self.0[begin..begin + count])
    }

    /// What follows a word in a step.
    fn after(&self, step: &str, word: &str) -> Result<&str> {
        let found = self.part(step)?.iter().find_map(|line| line.strip_prefix(word));
        found.with_context(|| format!("{step} has no {word:?}"))
    }

    fn anywhere(&self, word: &str) -> Result<&str> {
        let found = self.0.iter().find_map(|line| line.strip_prefix(word));
        found.with_context(|| format!("there is no {word:?}"))
    }

    /// Whether what was run in a step ended with this code.
    fn ends(&self, step: &str, code: &str) -> Result<()> {
        let ended = self.after(step, "code: ")?;
        ensure!(ended == code, "{step} ended with {ended}, not with {code}");
        Ok(())
    }

    /// What `berth-init` made of the end in a step.
    fn verdict(&self, step: &str) -> Result<String> {
        let lines = self.part(step)?.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let verdict = lines.into_iter().find_map(|line| line["verdict"].as_str().map(str::to_owned));
        verdict.with_context(|| format!("{step} has no verdict"))
    }
}
