//! Counts how often somebody wants an end: the first stops gracefully, later ones are answered, then obeyed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

const SIGNALS: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// POSIX shells' code for what SIGINT ended.
pub const INTERRUPTED: u8 = 130;

/// How often the person at the keyboard, or the one who runs us, wanted an end. A closed terminal (HUP) counts.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    counted: Arc<AtomicUsize>,
    /// Which signals came at all, known before whoever counts them has had a processor.
    came: [Arc<AtomicBool>; SIGNALS.len()],
}

impl Interrupts {
    /// Counts from now on, instead of ending at once.
    pub fn count() -> io::Result<Self> {
        let interrupts = Self::default();
        for (signal, came) in SIGNALS.into_iter().zip(&interrupts.came) {
            flag::register(signal, Arc::clone(came))?;
        }
        let mut signals = Signals::new(SIGNALS)?;
        let counter = Arc::clone(&interrupts.counted);
        thread::spawn(move || {
            for _ in signals.forever() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(interrupts)
    }

    /// So many until now.
    pub fn so_far(&self) -> usize {
        let came = self.came.iter().filter(|came| came.load(Ordering::Relaxed)).count();
        self.counted.load(Ordering::Relaxed).max(came)
    }
}
