//! How late the case's own sleeps were: the witness that says whether a late time is the kernel's doing.
//!
//! A thread sleeps a twentieth of a second again and again. A machine that stood still meanwhile has made it late,
//! whatever stood still; what is shorter than a sleep can escape it, and is below what claims tell apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SLEEP: Duration = Duration::from_millis(50);

/// The running witness. It ends when it is dropped, at the end of its sleep.
#[derive(Debug)]
pub(super) struct Witness {
    latest_us: Arc<AtomicU64>,
}

impl Witness {
    pub(super) fn start() -> Self {
        let latest_us = Arc::new(AtomicU64::new(0));
        let seen = Arc::downgrade(&latest_us);
        thread::spawn(move || {
            loop {
                let begun = Instant::now();
                thread::sleep(SLEEP);
                let late = begun.elapsed().saturating_sub(SLEEP).as_micros();
                let Some(latest) = seen.upgrade() else { return };
                latest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { latest_us }
    }

    /// The latest sleep so far, in microseconds of lateness.
    pub(super) fn latest_us(&self) -> u64 {
        self.latest_us.load(Ordering::Relaxed)
    }
}
