//! docs/reference/benchmarks.md and its picture, written from what was measured.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use fs_err as fs;

use super::figures::{Table, short};
use super::{health, init};
use crate::run::say;

const PAGE: &str = "docs/reference/benchmarks.md";
const PICTURE: &str = "docs/reference/benchmarks.svg";

/// What was measured.
#[derive(Default)]
pub struct Report {
    /// On what, with its load before anything was measured.
    pub machine: String,
    pub init: Option<Table>,
    pub probe: Option<Table>,
    pub up: Option<Table>,
    pub service: Option<[Table; 2]>,
}

/// What is to be reached: at most so many times of what it is put beside, or nothing at all.
struct Aim {
    row: &'static str,
    column: &'static str,
    most: Most,
}

enum Most {
    /// Times the figure of the row that the table puts all beside.
    Times(f64),
    /// Times the figure of another row.
    TimesOf(&'static str, f64),
    Figure(f64),
}

const OF_INITS: &[Aim] = &[
    Aim { row: init::PLAIN, column: init::RESIDENT, most: Most::Times(0.9) },
    Aim { row: init::ROLE, column: init::RESIDENT, most: Most::Times(2.5) },
    Aim { row: init::PLAIN, column: init::PROPORTIONAL, most: Most::Times(1.0) },
    Aim { row: init::ROLE, column: init::PROPORTIONAL, most: Most::Times(2.5) },
    Aim { row: init::PLAIN, column: init::START, most: Most::Times(1.0) },
    Aim { row: init::PLAIN, column: init::TERM, most: Most::Times(1.1) },
    Aim { row: init::PLAIN, column: init::END, most: Most::Times(1.0) },
    Aim { row: init::PLAIN, column: init::ORPHAN, most: Most::Times(1.1) },
    Aim { row: init::PLAIN, column: init::WAKE_UPS, most: Most::Figure(0.0) },
    Aim { row: init::ROLE, column: init::WAKE_UPS, most: Most::Figure(0.0) },
];

const OF_PROBES: &[Aim] = &[
    Aim { row: health::OURS, column: health::HTTPS_CPU, most: Most::Times(0.1) },
    Aim { row: health::OURS, column: health::STARTTLS_CPU, most: Most::Times(0.1) },
    Aim { row: health::OURS, column: health::IMAPS_CPU, most: Most::Times(0.1) },
    Aim { row: health::OURS, column: health::HTTPS_CPU, most: Most::TimesOf(health::NODE, 1.0 / 40.0) },
];

impl Report {
    /// Writes both files.
    pub fn write(&self) -> Result<()> {
        let missing = "the page is written from a run that measures all";
        let (inits, probe) = (self.init.as_ref().context(missing)?, self.probe.as_ref().context(missing)?);
        let (up, [memory, times]) =
            (self.up.as_ref().context(missing)?, self.service.as_ref().context(missing)?);
        let page = include_str!("../../tools/benchmarks.md");
        let page = page.replace("{machine}", &self.machine);
        let page = page.replace("{init}\n", &inits.rendered());
        let page = page.replace("{init-aims}\n", &aims(inits, OF_INITS));
        let page = page.replace("{probe}\n", &probe.rendered());
        let page = page.replace("{probe-aims}\n", &aims(probe, OF_PROBES));
        let page = page.replace("{up}\n", &up.rendered());
        let page = page.replace("{memory}\n", &memory.rendered());
        let page = page.replace("{times}\n", &times.rendered());
        fs::write(PAGE, page)?;
        fs::write(PICTURE, picture(inits))?;
        say(&format!("written: {PAGE}, {PICTURE}"));
        Ok(())
    }
}

/// What was to be reached, and what was.
fn aims(table: &Table, aims: &[Aim]) -> String {
    let mut text = "| to reach | at most | measured | |\n| --- | --- | --- | --- |\n".to_owned();
    for Aim { row, column, most } in aims {
        let of = |other: &str| Some(table.median(row, column)? / table.median(other, column)?);
        let (wanted, measured, most) = match most {
            Most::Times(most) => (format!("{most} × {}", table.beside), table.ratio(row, column), most),
            Most::TimesOf(other, most) => (format!("{most} × {other}"), of(other), most),
            Most::Figure(most) => (most.to_string(), table.median(row, column), most),
        };
        let reached = measured.is_some_and(|measured| measured <= *most);
        let measured = measured.map_or_else(|| "–".to_owned(), |measured| format!("{measured:.3}"));
        let verdict = if reached { "reached" } else { "**not reached**" };
        let _ = writeln!(text, "| `{row}`, {column} | {wanted} | {measured} | {verdict} |");
    }
    text
}

/// The rows and columns that the picture shows.
const SHOWN: [&str; 6] = [init::PLAIN, init::ROLE, "tini", init::BESIDE, "dumb-init", "catatonit"];
const CHARTS: [&str; 6] =
    [init::RESIDENT, init::PROPORTIONAL, init::START, init::TERM, init::END, init::ORPHAN];

const CHART_WIDTH: f64 = 340.0;
const BAR: f64 = 18.0;
const NAMES: f64 = 110.0;
const LONGEST: f64 = 160.0;

/// A chart for each column, a bar for each init that has a figure in it.
fn picture(table: &Table) -> String {
    #[expect(clippy::cast_precision_loss, reason = "there are a handful")]
    let at = |number: usize| number as f64;
    let height = BAR.mul_add(at(SHOWN.len()), 44.0);
    let (width, whole) = (CHART_WIDTH * 2.0, height * at(CHARTS.len().div_ceil(2)));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {whole}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>berth-init beside other inits; shorter is better</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (number, column) in CHARTS.iter().enumerate() {
        let (left, top) = (CHART_WIDTH * at(number % 2), height * at(number / 2));
        let _ = writeln!(text, "<g transform=\"translate({left} {top})\">");
        let _ = writeln!(text, "<text x=\"10\" y=\"22\" font-weight=\"bold\" fill=\"#222\">{column}</text>");
        let figures: Vec<_> =
            SHOWN.iter().filter_map(|row| Some((*row, table.median(row, column)?))).collect();
        let most = figures.iter().map(|(_, figure)| *figure).fold(f64::MIN_POSITIVE, f64::max);
        for (line, (row, figure)) in figures.iter().enumerate() {
            let y = BAR.mul_add(at(line), 32.0);
            let length = figure / most * LONGEST;
            let colour = if row.starts_with("berth-init") { "#1f6f8b" } else { "#b8b8b8" };
            let (middle, after) = (y + 11.0, NAMES + length + 6.0);
            let _ = writeln!(text, "<text x=\"10\" y=\"{middle}\" fill=\"#222\">{row}</text>");
            let _ = writeln!(
                text,
                "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>"
            );
            let _ = writeln!(
                text,
                "<text x=\"{after:.1}\" y=\"{middle}\" fill=\"#222\">{}</text>",
                short(*figure)
            );
        }
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    text
}
