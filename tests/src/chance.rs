//! Chance that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers that follows from its seed alone: Knuth's constants for the 64-bit linear congruential generator.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// Begins with BERTH_TEST_SEED, or anywhere.
    #[must_use]
    pub fn new() -> Self {
        let given = std::env::var("BERTH_TEST_SEED").ok();
        let seed = given.map_or_else(
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos())),
            |text| text.parse().expect("BERTH_TEST_SEED is a number"),
        );
        Self { seed, state: seed }
    }

    /// What repeats it.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number from 0 up to, and without, this one.
    pub fn below(&mut self, end: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).expect("31 bits") % end
    }

    /// Puts them into another order: Fisher and Yates.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            all.swap(end, self.below(end + 1));
        }
    }

    /// One of these.
    pub fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
