//! How much of a role's memory V8's heap may take.

use std::fmt;

use crate::Bytes;

/// For what Node takes beside its heap before the application does anything: 38 MiB with Node 20, 43 MiB with Node 24,
/// measured as resident less heap.
const NODE: Bytes = Bytes::mebibytes(64);

/// With less no application gets as far as serving anybody.
const LEAST: Bytes = Bytes::mebibytes(32);

/// How much of a role's memory V8's old space may take, in each of its threads: `--max-old-space-size` counts for the main
/// thread and for every worker thread by itself (nodejs/node#43991).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heap {
    /// A part of what is left of the memory limit beside Node itself. The rest is for what is not in the old space: the
    /// young space (up to 48 MiB with Node 20, 192 MiB with Node 24), buffers, TLS, SQLite's caches, stacks.
    Share {
        /// The part, for all threads together.
        percent: u8,
        /// How many threads it is divided among, the main one included.
        threads: u8,
    },
    /// What V8 takes by itself: the application starts as many worker threads as it likes, and a heap that is divided
    /// among the most that there may be is too small for one.
    ByItself,
}

impl Heap {
    /// A part, in hundredths, for a role of one thread.
    #[must_use]
    pub const fn share(percent: u8) -> Self {
        Self::Share { percent, threads: 1 }
    }

    /// How much it is with this memory limit; nothing where V8 is left alone.
    #[must_use]
    pub fn of(self, limit: Bytes) -> Option<Bytes> {
        let Self::Share { percent, threads } = self else { return None };
        let left = limit.number().saturating_sub(NODE.number());
        let share = left / 100 * u64::from(percent) / u64::from(threads.max(1));
        Some(Bytes::new(share).max(LEAST))
    }

    /// What is held back for Node itself.
    #[must_use]
    pub const fn reserve() -> Bytes {
        NODE
    }
}

/// A part of a sentence: what the share is of is known to whoever tells.
impl fmt::Display for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { percent, threads: 0 | 1 } => write!(f, "{percent} %"),
            Self::Share { percent, threads } => write!(f, "{percent} %, divided among {threads} threads"),
            Self::ByItself => f.write_str("V8's own"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mebibytes(heap: Heap, limit: u64) -> Option<u64> {
        heap.of(Bytes::mebibytes(limit)).map(|bytes| bytes.number() / 1024 / 1024)
    }

    #[test]
    fn it_is_a_share_of_what_node_leaves() {
        assert_eq!(mebibytes(Heap::share(60), 1280), Some(729));
        assert_eq!(mebibytes(Heap::Share { percent: 60, threads: 2 }, 2560), Some(748));
        assert_eq!(mebibytes(Heap::ByItself, 1280), None);
    }

    #[test]
    fn a_limit_that_is_far_too_small_still_gives_one_that_node_starts_with() {
        for limit in [Bytes::new(0), Bytes::mebibytes(64), Bytes::mebibytes(100)] {
            assert_eq!(Heap::share(60).of(limit), Some(LEAST));
        }
        assert!(Heap::share(60).of(Bytes::new(u64::MAX)).is_some());
    }
}
