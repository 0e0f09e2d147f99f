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
pub mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    /// A sample as a scraper reads it: name, labels, value. Nothing for what is not well-formed.
    pub type Sample = (String, Vec<(String, String)>, String);

    /// A line of the specification's grammar.
    fn sample(line: &str) -> Option<Sample> {
        let is_name = |name: &str| {
            let mut letters = name.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic())
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        let at = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(at);
        let mut labels = Vec::new();
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                let (label, quoted) = inside.split_once("=\"")?;
                let (mut value, mut letters) = (String::new(), quoted.chars());
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => value.push(match letters.next()? {
                            'n' => '\n',
                            escaped @ ('"' | '\\') => escaped,
                            _ => return None,
                        }),
                        letter => value.push(letter),
                    }
                }
                labels.push((is_name(label).then(|| label.to_owned())?, value));
                inside = letters.as_str();
                match inside.strip_prefix(',') {
                    Some(more) => inside = more,
                    None => break,
                }
            }
            rest = inside.strip_prefix('}')?;
        }
        let value = rest.strip_prefix(' ')?;
        let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
        (is_name(name) && is_number).then(|| (name.to_owned(), labels, value.to_owned()))
    }

    /// The samples of a text, if all of it is well-formed: each family is told of once, before its samples and of the type that their
    /// names have, no sample comes twice, and the end is the end.
    pub fn samples(text: &str) -> Option<Vec<Sample>> {
        let body = text.strip_suffix("\n# EOF")?;
        let (mut types, mut seen, mut samples) = (HashMap::new(), HashSet::new(), Vec::new());
        let mut family = String::new();
        for line in body.split('\n') {
            if let Some(about) = line.strip_prefix("# ") {
                let mut words = about.splitn(3, ' ');
                let (word, name, rest) = (words.next()?, words.next()?, words.next()?);
                match word {
                    "TYPE" => {
                        types.insert(name.to_owned(), rest.to_owned()).is_none().then_some(())?;
                        name.clone_into(&mut family);
                    }
                    "UNIT" => (name == family && name.ends_with(&format!("_{rest}"))).then_some(())?,
                    "HELP" => (name == family).then_some(())?,
                    _ => return None,
                }
                continue;
            }
            let sample = sample(line)?;
            let suffix = sample.0.strip_prefix(&family)?;
            let suffixes: &[&str] = match types.get(&family)?.as_str() {
                "gauge" => &[""],
                "counter" => &["_total"],
                "summary" => &["_count", "_sum"],
                _ => return None,
            };
            suffixes.contains(&suffix).then_some(())?;
            seen.insert((sample.0.clone(), sample.1.clone())).then_some(())?;
            samples.push(sample);
        }
        Some(samples)
    }

    proptest! {
        #[test]
        fn whatever_a_label_holds_is_read_again(values in prop::collection::hash_set("[a\\\\\"\n,{}=# ]{0,6}|.{0,6}", 1..5)) {
            let mut text = Text::default();
            let mut family = text.family("a", Kind::Gauge, "Help.");
            for value in &values {
                family.sample("", &[("b", value), ("c", "d")], 1);
            }
            let read = samples(&text.end()).map(|samples| samples.into_iter().map(|(_, labels, _)| labels[0].1.clone()).collect());
            prop_assert_eq!(read, Some(values));
        }
    }

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
