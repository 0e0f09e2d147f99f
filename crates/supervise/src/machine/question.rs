//! A question that is put again and again, one at a time.

use std::time::Duration;

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// It is put then.
    Due(Duration),
    /// It was put, and not answered yet.
    Put,
}

impl Question {
    /// When it is put, unless it was.
    pub fn due(self) -> Option<Duration> {
        match self {
            Self::Due(at) => Some(at),
            Self::Put => None,
        }
    }

    /// Whether it is time; then it counts as put.
    pub fn put(&mut self, now: Duration) -> bool {
        let is_time = self.due().is_some_and(|due| now >= due);
        if is_time {
            *self = Self::Put;
        }
        is_time
    }
}
