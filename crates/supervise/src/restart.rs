//! How often a failed main process may be started again, and after which pause.

use std::collections::VecDeque;
use std::time::Duration;

/// How many restarts a window of time may see, and how the pauses grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// As many restarts within the window; one more failure is the end.
    pub restarts: usize,
    /// The window.
    pub window: Duration,
    /// The pause before the first restart in a window; each further one doubles it.
    pub pause: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

/// Five restarts in two minutes, after 0.5, 1, 2, 4 and 8 s: a process that dies at once is given up after
/// 16 s of pauses, one that dies every half a minute is kept alive.
impl Default for Budget {
    fn default() -> Self {
        Self {
            restarts: 5,
            window: Duration::from_mins(2),
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}

/// The restarts that were.
#[derive(Debug, Clone)]
pub(crate) struct Restarts {
    granted: VecDeque<Duration>,
    count: u32,
    random: u64,
}

impl Restarts {
    pub fn new(seed: u64) -> Self {
        Self { granted: VecDeque::new(), count: 0, random: seed | 1 }
    }

    /// How many restarts there were in all, asked for or not.
    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn started(&mut self) {
        self.count += 1;
    }

    /// Takes a restart from the budget and gives the pause before it, or nothing when it is spent.
    pub fn spend(&mut self, budget: &Budget, now: Duration) -> Option<Duration> {
        while self.granted.front().is_some_and(|granted| now.saturating_sub(*granted) > budget.window) {
            self.granted.pop_front();
        }
        if self.granted.len() >= budget.restarts {
            return None;
        }
        let doublings = u32::try_from(self.granted.len()).unwrap_or(u32::MAX).min(16);
        self.granted.push_back(now);
        let pause = (budget.pause * 2u32.pow(doublings)).min(budget.longest);
        Some(pause.mul_f64(self.jitter()))
    }

    /// Between 0.8 and 1.2, so that roles that fail together do not start together (xorshift64).
    fn jitter(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let thousandth = u16::try_from(self.random % 1000).unwrap_or_default();
        0.8 + 0.4 * f64::from(thousandth) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_budget_ends_and_comes_back() {
        let budget = Budget::default();
        let mut restarts = Restarts::new(7);
        let pauses: Vec<_> =
            (0..6).map(|second| restarts.spend(&budget, Duration::from_secs(second))).collect();
        for (number, pause) in pauses.iter().take(5).enumerate() {
            let expected = 0.5 * f64::from(1 << number);
            let ratio = pause.unwrap().as_secs_f64() / expected;
            assert!((0.8..=1.2).contains(&ratio), "pause {number}: {pause:?}");
        }
        assert_eq!(pauses[5], None);
        assert!(restarts.spend(&budget, Duration::from_mins(5)).is_some());
    }
}
