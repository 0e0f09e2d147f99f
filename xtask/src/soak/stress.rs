//! The suite of `berth-init` again and again, many at a time, so that all cores are busy: what fails now and then in
//! continuous integration is found here.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::outcome::Outcome;
use crate::run::{say, told};
use crate::test::{Counted, InitSuite};

/// Which tests, and how many runs of them there are at a time for each core.
pub struct Load {
    pub files: &'static [&'static str],
    pub for_each_core: usize,
}

/// One run keeps a third of a core busy.
pub const WHOLE: Load = Load { files: &[], for_each_core: 4 };

/// The tests of signals and deadlines, by their files. One run keeps an eighth of a core busy.
pub const SIGNALS_AND_DEADLINES: Load = Load {
    files: &[
        "needs::",
        "quiet::",
        "readiness::",
        "reaping::",
        "restarting::",
        "resting::",
        "signals::",
        "stopping::",
        "stores::",
        "terminal::",
        "terminals::",
        "wedged::",
    ],
    for_each_core: 9,
};

/// Runs them so many times.
pub fn tried(load: &Load, runs: u32) -> Result<Outcome> {
    let suite = InitSuite::built()?;
    let at_once = load.for_each_core * thread::available_parallelism()?.get();
    let next = AtomicU32::new(1);
    let work = || -> Result<Vec<Run>> {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > runs {
                return Ok(seen);
            }
            let begun = Instant::now();
            let run = suite.command(load.files).and_then(Run::of);
            // Nobody begins another one: what cannot be run once cannot be run again.
            let run = run.inspect_err(|_| next.store(runs + 1, Ordering::Relaxed))?;
            let (passed, failed) = (run.counted.passed, run.counted.failed);
            let took = begun.elapsed().as_secs();
            say(&format!("run {number} of {runs}: {passed} passed, {failed} failed, {took} s"));
            seen.push(run);
        }
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let seen = ended.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let mut failed = BTreeMap::<&str, u32>::new();
    for name in seen.iter().flat_map(|run| &run.failures) {
        *failed.entry(name).or_default() += 1;
    }
    let named: Vec<_> = failed.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    ensure!(named.is_empty(), "of {runs} runs failed: {}", named.join(", "));
    let last = seen.last().context("no run was asked for")?;
    let of = |run: &Run| (run.counted.passed, run.counted.skipped.len());
    ensure!(seen.iter().all(|run| of(run) == of(last)), "not every run had the same tests");
    Ok(Outcome::Ok(format!("{runs} times, {at_once} at a time, each: {}", last.counted.told())))
}

/// What a run of the tests says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    counted: Counted,
    failures: Vec<String>,
}

impl Run {
    fn of(mut command: Command) -> Result<Self> {
        let output = command.output();
        let output = output.with_context(|| format!("cannot run `{}`", told(&command)))?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let run = Self::read(&said);
        if !output.status.success() {
            // The next run may pass: what this one said is all there is.
            eprintln!("{}", said.concat());
        }
        let is_whole = output.status.success() == run.failures.is_empty() && run.counted.passed > 0;
        ensure!(is_whole, "the tests ended with {}, and say of themselves {run:?}", output.status);
        Ok(run)
    }

    /// Of what the harness and the tests wrote: to its own output and past it.
    fn read(said: &[String; 2]) -> Self {
        let lines: Vec<_> = said.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        // The names come last, after what each of them said.
        let listed = said[0].rsplit_once("\nfailures:\n").map_or("", |(_, rest)| rest);
        let failures = listed.lines().map_while(|line| line.strip_prefix("    ")).map(str::to_owned);
        Self { counted: Counted::of(&lines), failures: failures.collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_failed_is_read_by_its_name() {
        let said = "running 3 tests\ntest a::b ... FAILED\ntest c::d ... ok\n\nfailures:\n\n---- a::b stdout ----\n\nfailures:\n\
            no name\n\n\nfailures:\n    a::b\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; \
            finished in 1.00s\n";
        let run = Run::read(&[said.to_owned(), "SKIPPED e::f: no root\n".to_owned()]);
        let skipped = vec!["e::f: no root".to_owned()];
        assert_eq!(
            run,
            Run { counted: Counted { passed: 2, failed: 1, skipped }, failures: vec!["a::b".to_owned()] }
        );
        assert_eq!(Run::read(&[String::new(), String::new()]).failures, [""; 0]);
    }

    #[test]
    fn each_name_is_a_file_of_the_suite() {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("tests/tests/init");
        for name in SIGNALS_AND_DEADLINES.files {
            let file = format!("{}.rs", name.trim_end_matches("::"));
            assert!(suite.join(&file).exists() || suite.join("claims").join(&file).exists(), "{file}");
        }
    }
}
