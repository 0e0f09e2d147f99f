//! The text format of OpenMetrics (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), as far as it is used here:
//! types and names that the older text format of Prometheus knows too, in which a counter is then untyped.

use std::fmt::{Display, Write};

/// A text of metric families.
#[derive(Debug, Default)]
pub struct Text(String);

/// What is measured of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only goes up, until whoever counts begins anew.
    Counter,
    /// How often, and how much in all.
    Summary,
}

/// A family of metrics that is being written.
pub struct Family<'a> {
    text: &'a mut Text,
    name: &'static str,
}

/// Names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// Begins a family. Its unit is the last word of its name, if that is one.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Summary => "summary",
        };
        self.line(format_args!("# TYPE {name} {word}"));
        for unit in ["seconds", "bytes"] {
            if name.ends_with(&format!("_{unit}")) {
                self.line(format_args!("# UNIT {name} {unit}"));
            }
        }
        self.line(format_args!("# HELP {name} {help}"));
        Family { text: self, name }
    }

    /// The text, with its end.
    pub fn end(mut self) -> String {
        self.0.push_str("# EOF");
        self.0
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

impl Family<'_> {
    /// A sample of it: `_total` of a counter, `_count` of a summary, nothing of a gauge.
    pub fn sample(&mut self, suffix: &str, labels: Labels, value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let name = self.name;
        self.text.line(format_args!("{name}{suffix}{labels} {value}"));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_the_specification_has_it() {
        let mut text = Text::default();
        text.family("cpu_seconds", Kind::Counter, "Time.").sample(
            "_total",
            &[("of", "a \"b\" \\ c\nd")],
            1.5,
        );
        text.family("up", Kind::Gauge, "Runs.").sample("", &[], 1);
        let expected = "\
# TYPE cpu_seconds counter
# UNIT cpu_seconds seconds
# HELP cpu_seconds Time.
cpu_seconds_total{of=\"a \\\"b\\\" \\\\ c\\nd\"} 1.5
# TYPE up gauge
# HELP up Runs.
up 1
# EOF";
        assert_eq!(text.end(), expected);
    }
}
