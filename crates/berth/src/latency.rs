//! How soon the owner of a mailbox is told of mails, in three figures.

use std::time::Duration;

use serde::Serialize;

use crate::table;

/// What `berth prove --latency N --json` prints: docs/reference/berth.md.
#[derive(Debug, PartialEq, Serialize)]
pub struct Latencies {
    mails: usize,
    median_ms: f64,
    p95_ms: f64,
    max_ms: f64,
}

impl Latencies {
    /// The figures of at least one measurement; of none they are 0.
    pub fn of(measured: &[Duration]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_unstable();
        // The nearest rank: the smallest one that so many percent of all do not exceed.
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(at).map_or(0.0, |latency| (latency.as_secs_f64() * 1e4).round() / 10.0)
        };
        Self { mails: sorted.len(), median_ms: rank(50), p95_ms: rank(95), max_ms: rank(100) }
    }

    pub fn told(&self) -> String {
        let row = |name: &str, ms: f64| vec![name.to_owned(), format!("{ms:.1} ms")];
        let rows = [row("median", self.median_ms), row("p95", self.p95_ms), row("max", self.max_ms)];
        format!("  {} mails, each told so long after its 250:\n{}", self.mails, table::columns(&rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_ones_that_were_measured() {
        let measured: Vec<_> = (1..=40).rev().map(Duration::from_millis).collect();
        let expected = Latencies { mails: 40, median_ms: 20.0, p95_ms: 38.0, max_ms: 40.0 };
        assert_eq!(Latencies::of(&measured), expected);
        let one = Latencies::of(&[Duration::from_micros(1250)]);
        assert_eq!((one.median_ms, one.p95_ms, one.max_ms), (1.3, 1.3, 1.3));
    }
}
