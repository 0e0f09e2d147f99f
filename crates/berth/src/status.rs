//! `berth status`: how each role is, once, or for as long as somebody looks.

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use berth_engine::{Engine, Seen};
use serde::Serialize;

use crate::compose::pins::{Pin, Pins};
use crate::interrupts::Interrupts;
use crate::screen::Screen;
use crate::stdout::{columns, print};
use crate::watch::{Watch, clock};
use crate::{again, arguments, open, problem, remedy, table};

const AGAIN: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(100);

/// What `berth status --json` prints: docs/reference/berth.md.
#[derive(Serialize)]
struct Report {
    /// Whether it is wanted at all: false after `berth down`.
    up: bool,
    /// Whether all that is wanted is ready.
    ready: bool,
    roles: Vec<Seen>,
    /// What the names of the roles' images meant when they were last brought up, and who signed them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<String, Pin>,
}

/// How everything is, right now.
type Look<'a> = dyn Fn() -> anyhow::Result<Report> + 'a;

pub fn run(state: Option<PathBuf>, arguments: &arguments::Status) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let engine = open::engine(&folder)?;
    let images: BTreeMap<_, _> =
        Pins::kept(&folder)?.all().map(|(name, pin)| (name.clone(), pin.clone())).collect();
    let look = |engine: &dyn Engine| look(engine, &images);
    open::tend(&*engine);
    if !arguments.watch {
        let report = look(&*engine)?;
        print(&if arguments.json {
            serde_json::to_string_pretty(&report)? + "\n"
        } else {
            told(&report, columns())
        });
        return Ok(if report.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let interrupts = Interrupts::count()?;
    match Screen::take() {
        Some(screen) if !arguments.json => draw(&|| look(&*engine), screen, &interrupts)?,
        _ => say(&|| look(&*engine), arguments.json, &interrupts)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// On a terminal: the table, in place, and below it what has changed.
fn draw(look: &Look, mut screen: Screen, interrupts: &Interrupts) -> anyhow::Result<()> {
    let mut watch = Watch::default();
    while interrupts.so_far() == 0 {
        let report = look()?;
        let (looked, now) = (Instant::now(), Instant::now());
        watch.see(&report.roles, now);
        let changes = watch.changes(now);
        let text = |columns| {
            format!("{}\n{changes}\n  q ends this, and nothing else\n", told(&report, Some(columns)))
        };
        // Looked at often, so that a key and another size of the window count at once.
        while looked.elapsed() < AGAIN && interrupts.so_far() == 0 {
            screen.draw(text);
            let begun = Instant::now();
            if screen.is_over(GLANCE) {
                return Ok(());
            }
            sleep(GLANCE.saturating_sub(begun.elapsed()));
        }
    }
    Ok(())
}

/// Elsewhere: the table once, and then a line for each change; as JSON everything every second.
fn say(look: &Look, json: bool, interrupts: &Interrupts) -> anyhow::Result<()> {
    let mut watch = Watch::default();
    let mut first = true;
    while interrupts.so_far() == 0 {
        let report = look()?;
        let changes = watch.see(&report.roles, Instant::now());
        let text = match (json, first) {
            (true, _) => serde_json::to_string(&report)? + "\n",
            (false, true) => told(&report, columns()),
            (false, false) => {
                let lines: Vec<String> =
                    changes.iter().map(|change| format!("{} {change}\n", clock())).collect();
                lines.concat()
            }
        };
        if stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()).is_err() {
            // Whoever reads has seen enough.
            return Ok(());
        }
        first = false;
        let looked = Instant::now();
        while looked.elapsed() < AGAIN && interrupts.so_far() == 0 {
            sleep(GLANCE);
        }
    }
    Ok(())
}

fn told(report: &Report, columns: Option<usize>) -> String {
    let remedy = if report.up {
        remedy::of(&report.roles)
    } else if report.roles.iter().any(remedy::runs) {
        let down = again::berth("down");
        Some(format!(
            "it was taken down only in part, and the rest goes on running; to take that down too: {down}"
        ))
    } else {
        return format!("  nothing is up here: {}\n", again::berth("up"));
    };
    let remedy = remedy.map(|remedy| format!("\n  {remedy}\n"));
    let images = report.images.iter().map(|(name, pin)| format!("  {name} is {}\n", pin.told()));
    let images: Vec<_> = images.collect();
    let gap = if images.is_empty() { "" } else { "\n" };
    table::roles(&report.roles, columns)
        + &table::reasons(&report.roles)
        + gap
        + &images.concat()
        + &remedy.unwrap_or_default()
}

fn look(engine: &dyn Engine, images: &BTreeMap<String, Pin>) -> anyhow::Result<Report> {
    let up = engine.wanted().map_err(problem::of)?.is_some();
    let roles = engine.status().map_err(problem::of)?;
    let ready = up && roles.iter().all(|seen| seen.state.is_good());
    Ok(Report { up, ready, roles, images: images.clone() })
}
