//! Counts how often somebody wants an end: the first stops gracefully, later ones are answered, then obeyed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// POSIX shells' code for what SIGINT ended.
pub const INTERRUPTED: u8 = 130;

/// How often the person at the keyboard, or the one who runs us, wanted an end. A closed terminal (HUP) counts.
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Counts from now on, instead of ending at once.
    pub fn count() -> io::Result<Self> {
        let interrupts = Self::default();
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let counter = Arc::clone(&interrupts.0);
        thread::spawn(move || {
            for _ in signals.forever() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(interrupts)
    }

    /// So many until now.
    pub fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
