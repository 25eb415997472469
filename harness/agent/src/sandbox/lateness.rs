//! Measures how late this machine's timers fire, so that a late time can be told from a late kernel.
//!
//! Each case with a wire has a probe thread on each of two processors. A thread waits again and again with a receive
//! timeout, which the kernel keeps with the same coarse timers as those of TCP, and on the same processor. It wakes up
//! late by the lateness of the timer plus the time it waits for the processor. All cases share one [`LatenessLog`], which
//! derives two bounds of the timer's lateness:
//!
//! - The lower bound is the smallest lateness of the threads that were due at about the same time on the same processor.
//! - The upper bound is the largest lateness of all threads. If one woke up later than a timer may fire, the machine may
//!   have stalled since the thread began to wait, so its whole wait counts too.
//!
//! Both are weaker for a case that runs alone: the lower bound then includes its own wait for the processor, and a stall
//! between two waits of its threads goes unnoticed.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, ptr, slice, thread};

use reusespec_core::timing::Lateness;

use crate::clocks;
use crate::peer::now;

/// The shortest wait of a probe thread.
pub(crate) const WAIT: Duration = Duration::from_millis(50);
/// Waits due within the same stretch of time share an entry of the log.
const STRETCH: Duration = Duration::from_millis(10);
/// Number of entries. They are reused after two minutes, which no case of real time takes.
const STRETCHES: usize = 12_000;
/// Number of processors with entries of their own. Further ones share them.
const PROCESSORS: usize = 8;
/// A 50 ms timer fires at most this many ticks late on an idle machine. A larger delay means that the machine stalled.
const PUNCTUAL_TICKS: u64 = 3;
/// Number of processors that one case watches. Concurrent cases watch the others.
const WATCHED: usize = 2;

/// The lateness that the threads of all cases have measured, in memory shared by the agent loop and its case processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatenessLog {
    /// The smallest lateness by processor and stretch. The upper 32 bits hold the number of the stretch, the lower ones
    /// `u32::MAX` minus the microseconds, so that `fetch_max` keeps the smallest lateness of the newest stretch.
    least: &'static [AtomicU64],
    /// The largest lateness in the same form, with the microseconds themselves.
    most: &'static [AtomicU64],
}

impl LatenessLog {
    /// An empty log. It is never unmapped, and is shared with all processes forked later.
    ///
    /// # Errors
    /// If the kernel cannot map 1.5 MB.
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
                2 * count * size_of::<AtomicU64>(),
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
        let entries = unsafe { slice::from_raw_parts(memory.cast::<AtomicU64>(), 2 * count) };
        let (least, most) = entries.split_at(count);
        Ok(Self { least, most })
    }

    /// Notes a wait that was due at this time of day: its lateness, and the upper bound of that of other timers.
    fn note(self, processor: usize, due: Duration, late: Duration, at_most: Duration) {
        let us = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let stretch = stretch(due);
        for (entries, shown) in [(self.least, u32::MAX - us(late)), (self.most, us(at_most))] {
            let entry = stretch << 32 | u64::from(shown);
            entries[place(processor, stretch)].fetch_max(entry, Ordering::Relaxed);
        }
    }

    /// The bounds of the lateness at the worst moment between two times of day.
    pub(crate) fn lateness(self, from: Duration, to: Duration) -> Lateness {
        let (first, last) = (stretch(from), stretch(to));
        let first = first.max(last.saturating_sub(STRETCHES as u64 - 1));
        let shown = |entries: &[AtomicU64], us: fn(u64) -> u64| {
            let places =
                (0..PROCESSORS).flat_map(|processor| (first..=last).map(move |stretch| (processor, stretch)));
            let seen = places.filter_map(|(processor, stretch)| {
                let entry = entries[place(processor, stretch)].load(Ordering::Relaxed);
                (entry >> 32 == stretch).then_some(us(entry & u64::from(u32::MAX)))
            });
            seen.max().unwrap_or(0)
        };
        Lateness {
            least_us: shown(self.least, |down| u64::from(u32::MAX) - down),
            most_us: shown(self.most, |up| up),
        }
    }
}

/// The index of an entry.
fn place(processor: usize, stretch: u64) -> usize {
    processor % PROCESSORS * STRETCHES + stretch as usize % STRETCHES
}

/// The number of the stretch that a time of day is in. Its 32 bits of 10 ms wrap after more than a year.
fn stretch(at: Duration) -> u64 {
    (at.as_millis() / STRETCH.as_millis()) as u64 & u64::from(u32::MAX)
}

/// Pins this thread to one of the allowed processors, chosen by `place`, and returns its number.
///
/// The kernel keeps the timers of its waits there too. A thread that migrated would log for the wrong processor.
#[cfg(target_os = "linux")]
fn settle(place: usize) -> usize {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    let itself = nix::unistd::Pid::from_raw(0);
    let allowed = sched_getaffinity(itself).unwrap_or_default();
    let processors: Vec<_> = (0..CpuSet::count())
        .filter(|processor| allowed.is_set(*processor).unwrap_or(false))
        .collect();
    let Some(processor) = processors.get(place % processors.len().max(1)).copied() else {
        return 0;
    };
    let mut one = CpuSet::new();
    // A thread that may not be pinned still measures, though perhaps for another processor.
    let _ = one.set(processor).and_then(|()| sched_setaffinity(itself, &one));
    processor
}

#[cfg(not(target_os = "linux"))]
fn settle(_: usize) -> usize {
    0
}

/// The length of a thread's wait: 1/10 000 of the case, at least [`WAIT`]. A case of hours runs in virtual time, where
/// each wait costs real time, and 1/10 000 of it is fine enough to distinguish its moments.
fn wait(case: Duration) -> Duration {
    WAIT.max(case / 10_000)
}

/// The running probe threads of a case. After it is dropped they exit at the end of their waits.
#[derive(Debug)]
pub(crate) struct LatenessProbe {
    /// The threads run while this exists.
    _alive: Arc<()>,
}

impl LatenessProbe {
    /// Starts the threads for a case that may take `case`. Each waits longer if there are more of them.
    pub(crate) fn start(lateness_log: LatenessLog, case: Duration) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.min(WATCHED);
        let wait = wait(case) * threads as u32;
        let punctual = Duration::from_micros(PUNCTUAL_TICKS * clocks::tick_us());
        let alive = Arc::new(());
        let process = std::process::id() as usize;
        for place in 0..threads {
            let watched = Arc::downgrade(&alive);
            let (waiting, silent) = UnixStream::pair()?;
            waiting.set_read_timeout(Some(wait))?;
            thread::Builder::new().spawn(move || {
                // The other end never sends, but must stay open for the receive to time out.
                let _silent = silent;
                let processor = settle(process + place);
                while watched.strong_count() > 0 {
                    let (due, begun) = (now() + wait, Instant::now());
                    let _ = (&waiting).read(&mut [0]);
                    let took = begun.elapsed();
                    lateness_log.note(
                        processor,
                        due,
                        took.saturating_sub(wait),
                        at_most(took, wait, punctual),
                    );
                }
            })?;
        }
        Ok(Self { _alive: alive })
    }
}

/// Upper bound of the lateness of a timer that was due during a wait. `punctual` is the largest lateness of a timer on
/// an idle machine.
fn at_most(took: Duration, wait: Duration, punctual: Duration) -> Duration {
    let late = took.saturating_sub(wait);
    if late > punctual { took } else { late }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn late(lateness_log: LatenessLog, processor: usize, due: Duration, ms: u64) {
        let late = Duration::from_millis(ms);
        lateness_log.note(processor, due, late, late);
    }

    #[test]
    fn a_stall_may_have_begun_with_the_wait() {
        let [late, punctual] = [140, 58].map(Duration::from_millis);
        let ticks = Duration::from_millis(12);
        assert_eq!(at_most(late, WAIT, ticks), late);
        assert_eq!(at_most(punctual, WAIT, ticks), punctual - WAIT);
    }

    #[test]
    fn the_bounds_are_the_smallest_lateness_of_a_stretch_and_the_largest_of_all() {
        let lateness_log = LatenessLog::new().unwrap();
        late(lateness_log, 0, 100 * SECOND, 30);
        late(lateness_log, 0, 100 * SECOND, 3);
        late(lateness_log, 0, 102 * SECOND, 8);
        late(lateness_log, 1, 102 * SECOND, 9);
        let between = |from, to| {
            let Lateness { least_us, most_us } = lateness_log.lateness(from * SECOND, to * SECOND);
            (least_us, most_us)
        };
        assert_eq!(between(99, 101), (3_000, 30_000));
        assert_eq!(between(101, 103), (9_000, 9_000));
        assert_eq!(between(99, 103), (9_000, 30_000));
        assert_eq!(between(103, 105), (0, 0));
    }

    #[test]
    fn a_case_of_hours_has_longer_waits_than_one_of_seconds() {
        assert_eq!(wait(60 * SECOND), WAIT);
        assert_eq!(wait(9_000 * SECOND), Duration::from_millis(900));
    }

    #[test]
    fn a_reused_entry_does_not_count_for_its_old_stretch() {
        let lateness_log = LatenessLog::new().unwrap();
        let again = STRETCH * STRETCHES as u32;
        late(lateness_log, 0, 5 * SECOND, 1000);
        assert_eq!(
            lateness_log.lateness(again, again + 10 * SECOND),
            Lateness::default()
        );
    }
}
