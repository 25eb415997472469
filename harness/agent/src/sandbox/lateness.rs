//! How late this machine let things happen: the witnesses that say whether a late time is the kernel's doing.
//!
//! Each case with a wire has a thread on each of two processors that waits again and again, by a receive timeout: the
//! kernel keeps it with the same coarse timers as those of TCP and runs it where it runs those. How late it
//! wakes up is how late the kernel's timers were, and on top of that how late the thread was let run. One thread
//! cannot tell the two apart, many can: the least late of those due at about the same moment on the same
//! processor is near the kernel's own lateness, if below it. The other bound is that of a machine that stood still,
//! maybe from the moment a witness last looked: what was due was late by that whole wait and by what the latest witness
//! was late. So all cases write what they saw on one [`LatenessLog`]. The price is paid by a case alone: it takes its own wait
//! for a processor for the kernel's, and a machine that stood still between two looks of its witnesses was not seen to.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, ptr, slice, thread};

use reusespec_core::timing::Lateness;

use crate::clocks;
use crate::peer::now;

pub(crate) const WAIT: Duration = Duration::from_millis(50);
/// Waits due within the same stretch of time share an entry of the board.
const STRETCH: Duration = Duration::from_millis(10);
/// Entries are used again after two minutes, far beyond any wait of a case in real time.
const STRETCHES: usize = 12_000;
/// Processors with entries of their own; further ones share those of the first.
const PROCESSORS: usize = 8;
/// No coarse timer of some fifty milliseconds goes off later by itself, in ticks: one that did not had no still machine
/// behind it, or nothing could be told apart on any machine.
const PUNCTUAL_TICKS: u64 = 3;
/// Processors that one case watches; the cases beside it watch the others.
const WATCHED: usize = 2;

/// What witnesses of all cases saw, in memory shared between the loop and the processes it forks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatenessLog {
    /// By processor and stretch: the number of the stretch in the upper half, and in the lower one the
    /// microseconds of the least late wait, counted down from the largest number.
    least: &'static [AtomicU64],
    /// The same of what something due then was late at most, counted up.
    most: &'static [AtomicU64],
}

impl LatenessLog {
    /// An empty board. It lives as long as the process and those forked from it.
    ///
    /// # Errors
    /// Where the kernel has no 1.5 MB of addresses left.
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

    /// Notes that a wait due at this time of day ended so much later, and how late another may have been at most.
    fn note(self, processor: usize, due: Duration, late: Duration, at_most: Duration) {
        let us = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let stretch = stretch(due);
        for (entries, shown) in [(self.least, u32::MAX - us(late)), (self.most, us(at_most))] {
            let entry = stretch << 32 | u64::from(shown);
            entries[place(processor, stretch)].fetch_max(entry, Ordering::Relaxed);
        }
    }

    /// How late the machine was at the worst moment between two times of day.
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

/// Where the entry of a stretch is.
fn place(processor: usize, stretch: u64) -> usize {
    processor % PROCESSORS * STRETCHES + stretch as usize % STRETCHES
}

/// Which stretch of time it is: 32 bits of hundredths of a second are more than a year.
fn stretch(at: Duration) -> u64 {
    (at.as_millis() / STRETCH.as_millis()) as u64 & u64::from(u32::MAX)
}

/// Has this thread run, and so the kernel keep the timers of its waits, on one processor, the next of those there
/// are: a thread that wanders between asking where it is and waiting would vouch for the wrong one.
///
/// Returns its number.
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
    // Where it may not be held it wanders, and what it says is as good as it was.
    let _ = one.set(processor).and_then(|()| sched_setaffinity(itself, &one));
    processor
}

#[cfg(not(target_os = "linux"))]
fn settle(_: usize) -> usize {
    0
}

/// How long a witness waits each time. A case of hours runs where idle time is skipped, and what it costs there is
/// each wait: a ten-thousandth of such a case tells its moments apart as well.
fn wait(case: Duration) -> Duration {
    WAIT.max(case / 10_000)
}

/// The running witnesses of a case. They end when this is dropped, at the end of their waits.
#[derive(Debug)]
pub(crate) struct LatenessProbe {
    /// Ends the threads by its end.
    _alive: Arc<()>,
}

impl LatenessProbe {
    /// Starts them for a case that may take so long: the more there are, the longer each waits.
    pub(crate) fn start(lateness_log: LatenessLog, case: Duration) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let witnesses = processors.min(WATCHED);
        let wait = wait(case) * witnesses as u32;
        let punctual = Duration::from_micros(PUNCTUAL_TICKS * clocks::tick_us());
        let alive = Arc::new(());
        let process = std::process::id() as usize;
        for place in 0..witnesses {
            let watched = Arc::downgrade(&alive);
            let (waiting, silent) = UnixStream::pair()?;
            waiting.set_read_timeout(Some(wait))?;
            thread::Builder::new().spawn(move || {
                // Its other end says nothing, but has to be there.
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

/// How late at most something may have been that was due while a witness waited.
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
    fn a_machine_that_stood_still_may_have_done_so_since_the_last_look() {
        let [late, punctual] = [140, 58].map(Duration::from_millis);
        let ticks = Duration::from_millis(12);
        assert_eq!(at_most(late, WAIT, ticks), late);
        assert_eq!(at_most(punctual, WAIT, ticks), punctual - WAIT);
    }

    #[test]
    fn the_kernel_is_as_late_as_the_least_late_of_those_due_together_and_no_later_than_the_latest() {
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
    fn a_case_of_seconds_is_watched_closely_and_one_of_hours_is_not() {
        assert_eq!(wait(60 * SECOND), WAIT);
        assert_eq!(wait(9_000 * SECOND), Duration::from_millis(900));
    }

    #[test]
    fn an_entry_used_again_has_forgotten_what_it_said() {
        let lateness_log = LatenessLog::new().unwrap();
        let again = STRETCH * STRETCHES as u32;
        late(lateness_log, 0, 5 * SECOND, 1000);
        assert_eq!(
            lateness_log.lateness(again, again + 10 * SECOND),
            Lateness::default()
        );
    }
}
