//! How late this machine let things happen: the witnesses that say whether a late time is the kernel's doing.
//!
//! Each case with a wire has a thread that waits a twentieth of a second again and again, by a receive timeout:
//! the kernel keeps it with the same coarse timers as those of TCP and runs it where it runs those. How late it
//! wakes up is how late the kernel's timers were, and on top of that how late the thread was let run. One thread
//! cannot tell the two apart, many can: the least late of those due at about the same moment on the same
//! processor is near the kernel's own lateness. So all cases write what they saw on one [`Board`]. The price is
//! that a case alone on a busy machine takes its own wait for a processor for the kernel's.
//!
//! A machine that stood still may have done so from the moment a witness last looked. What was due then was late by the
//! witness's whole wait on top of what the witness itself was late, and so a witness that is late says that much. One
//! that is as late as coarse timers always are does not, or nothing could be told apart on any machine.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, ptr, slice, thread};

use crate::clocks;
use crate::peer::now;

pub(crate) const WAIT: Duration = Duration::from_millis(50);
/// Waits due within the same stretch of time share an entry of the board.
const STRETCH: Duration = Duration::from_millis(10);
/// Entries are used again after two minutes, far beyond any wait of a case in real time.
const STRETCHES: usize = 12_000;
/// No coarse timer of fifty milliseconds goes off later by itself, in ticks.
const PUNCTUAL_TICKS: u64 = 3;
/// Processors with entries of their own; further ones share those of the first.
const PROCESSORS: usize = 8;

/// What witnesses of all cases saw, in memory shared between the loop and the processes it forks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    /// By processor and stretch: the number of the stretch in the upper half, and in the lower one the
    /// microseconds of the least late wait, counted down from the largest number.
    entries: &'static [AtomicU64],
}

impl Board {
    /// An empty board. It lives as long as the process and those forked from it.
    ///
    /// # Errors
    /// Where the kernel has no 768 KB of addresses left.
    pub(crate) fn new() -> io::Result<Self> {
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANON,
        );
        let count = PROCESSORS * STRETCHES;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                count * size_of::<AtomicU64>(),
                access,
                kind,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping has this size, is zeroed, aligned to a page and never unmapped; it is only ever
        // accessed atomically.
        let entries = unsafe { slice::from_raw_parts(memory.cast::<AtomicU64>(), count) };
        Ok(Self { entries })
    }

    fn entry(self, processor: usize, stretch: u64) -> &'static AtomicU64 {
        &self.entries[processor % PROCESSORS * STRETCHES + stretch as usize % STRETCHES]
    }

    /// Notes that a wait due at this time of day ended so much later.
    fn note(self, processor: usize, due: Duration, late: Duration) {
        let late_us = u32::try_from(late.as_micros()).unwrap_or(u32::MAX);
        let stretch = stretch(due);
        let entry = stretch << 32 | u64::from(u32::MAX - late_us);
        self.entry(processor, stretch).fetch_max(entry, Ordering::Relaxed);
    }

    /// The longest that the kernel was late between two times of day, in microseconds.
    pub(super) fn latest_us(self, from: Duration, to: Duration) -> u64 {
        let (first, last) = (stretch(from), stretch(to));
        let first = first.max(last.saturating_sub(STRETCHES as u64 - 1));
        let seen = |(processor, stretch): (usize, u64)| {
            let entry = self.entry(processor, stretch).load(Ordering::Relaxed);
            (entry >> 32 == stretch).then_some(u64::from(u32::MAX) - (entry & u64::from(u32::MAX)))
        };
        let entries =
            (0..PROCESSORS).flat_map(|processor| (first..=last).map(move |stretch| (processor, stretch)));
        entries.filter_map(seen).max().unwrap_or(0)
    }
}

/// Which stretch of time it is: 32 bits of hundredths of a second are more than a year.
fn stretch(at: Duration) -> u64 {
    (at.as_millis() / STRETCH.as_millis()) as u64 & u64::from(u32::MAX)
}

/// The processor this thread is on, where the kernel keeps the timer of its next wait.
#[cfg(target_os = "linux")]
fn processor() -> usize {
    // SAFETY: sched_getcpu(3) has no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn processor() -> usize {
    0
}

/// How long a witness waits each time. A case of hours runs where idle time is skipped, and what it costs there is
/// each wait: a ten-thousandth of such a case tells its moments apart as well.
fn wait(case: Duration) -> Duration {
    WAIT.max(case / 10_000)
}

/// A running witness. It ends when it is dropped, at the end of its wait.
#[derive(Debug)]
pub(super) struct Witness {
    /// Ends the thread by its end.
    _alive: Arc<()>,
}

impl Witness {
    /// Starts one for a case that may take so long.
    pub(super) fn start(board: Board, case: Duration) -> io::Result<Self> {
        let wait = wait(case);
        let punctual = Duration::from_micros(PUNCTUAL_TICKS * clocks::tick_us());
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let (waiting, silent) = UnixStream::pair()?;
        waiting.set_read_timeout(Some(wait))?;
        thread::Builder::new().spawn(move || {
            // Its other end says nothing, but has to be there.
            let _silent = silent;
            while watched.strong_count() > 0 {
                let (processor, due, begun) = (processor(), now() + wait, Instant::now());
                let _ = (&waiting).read(&mut [0]);
                board.note(processor, due, could_be_late(begun.elapsed(), wait, punctual));
            }
        })?;
        Ok(Self { _alive: alive })
    }
}

/// How late something may have been that was due while a witness waited.
fn could_be_late(took: Duration, wait: Duration, punctual: Duration) -> Duration {
    let late = took.saturating_sub(wait);
    if late > punctual { took } else { late }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn late(board: Board, processor: usize, due: Duration, ms: u64) {
        board.note(processor, due, Duration::from_millis(ms));
    }

    #[test]
    fn the_kernel_is_as_late_as_the_least_late_of_those_due_together() {
        let board = Board::new().unwrap();
        late(board, 0, 100 * SECOND, 30);
        late(board, 0, 100 * SECOND, 3);
        late(board, 0, 102 * SECOND, 8);
        late(board, 1, 102 * SECOND, 9);
        assert_eq!(board.latest_us(99 * SECOND, 101 * SECOND), 3_000);
        assert_eq!(board.latest_us(99 * SECOND, 103 * SECOND), 9_000);
        assert_eq!(board.latest_us(103 * SECOND, 105 * SECOND), 0);
    }

    #[test]
    fn a_case_of_seconds_is_watched_closely_and_one_of_hours_is_not() {
        assert_eq!(wait(60 * SECOND), WAIT);
        assert_eq!(wait(9_000 * SECOND), Duration::from_millis(900));
    }

    #[test]
    fn a_machine_that_stood_still_may_have_done_so_since_the_last_look() {
        let [late, punctual] = [140, 58].map(Duration::from_millis);
        let ticks = Duration::from_millis(12);
        assert_eq!(could_be_late(late, WAIT, ticks), late);
        assert_eq!(could_be_late(punctual, WAIT, ticks), punctual - WAIT);
    }

    #[test]
    fn an_entry_used_again_has_forgotten_what_it_said() {
        let board = Board::new().unwrap();
        let again = STRETCH * STRETCHES as u32;
        late(board, 0, 5 * SECOND, 1000);
        assert_eq!(board.latest_us(again, again + 10 * SECOND), 0);
    }
}
