//! Measures the clocks of this machine: the kernel's tick, the lateness of short sleeps, and the cost of a wake-up.
//!
//! The agent measures once at its start, under the load of that moment, which takes about 70 ms. The host derives the
//! tolerance of every claim about time from the result, and `serve::concurrency` derives how many cases may run at
//! once.

use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use reusespec_core::Timing;
use reusespec_core::timing::Timers;

const SLEEPS: u32 = 250;
const SLEEP: Duration = Duration::from_micros(200);

/// Raises the scheduling priority of this process, so that other load on the machine adds less lateness.
///
/// Only root may do so; for other users the priority stays as it is. Not for guests: they run no other processes, and
/// cases would delay the kernel threads that deliver segments.
pub(crate) fn raise_priority() {
    /// Half way between the default and the highest priority (setpriority(2)).
    const NICE: libc::c_int = -10;
    // SAFETY: setpriority(2) takes integers only.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Measures tick, timers and lateness, and the processor time that one wake-up costs.
pub(crate) fn calibrate() -> (Timing, Duration) {
    let lateness = |_| {
        let start = Instant::now();
        thread::sleep(SLEEP);
        start.elapsed().saturating_sub(SLEEP)
    };
    let before = processor_time();
    let max_lateness = (0..SLEEPS).map(lateness).max().unwrap_or_default();
    let wake_up = processor_time().saturating_sub(before) / SLEEPS;
    let timing = Timing {
        tick_us: tick_us(),
        timers: if cfg!(target_os = "linux") {
            Timers::Wheel
        } else if cfg!(target_os = "freebsd") {
            Timers::Together
        } else {
            Timers::Ticks
        },
        lateness_us: u64::try_from(max_lateness.as_micros()).unwrap_or(u64::MAX),
    };
    (timing, wake_up)
}

/// The processor time that this process has used so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// The kernel's tick in µs: the coarse clock advances once a tick (clock_getres(2)).
#[cfg(target_os = "linux")]
pub(crate) fn tick_us() -> u64 {
    let resolution = nix::time::clock_getres(ClockId::CLOCK_MONOTONIC_COARSE);
    let tick = resolution.map_or(Duration::from_millis(10), Duration::from);
    u64::try_from(tick.as_micros()).unwrap_or(u64::MAX)
}

/// The kernel's tick in µs: the second number of `kern.clockrate`, a `struct clockinfo` of five ints (clocks(7)).
#[cfg(not(target_os = "linux"))]
pub(crate) fn tick_us() -> u64 {
    let mut clockinfo = [0 as libc::c_int; 5];
    let mut length = size_of_val(&clockinfo);
    // SAFETY: the name ends with a zero. The kernel writes at most `length` bytes, which is the size of `clockinfo`.
    let status = unsafe {
        libc::sysctlbyname(
            c"kern.clockrate".as_ptr(),
            clockinfo.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    match clockinfo[1] {
        tick if status == 0 && tick > 0 => tick.unsigned_abs().into(),
        _ => 10_000,
    }
}
