//! Calibrates this machine's clocks: the kernel's tick, the lateness of short sleeps, and the processor time of a wake-up.
//!
//! The agent measures once, when it starts, under the load that there is. This takes about 70 ms. The bounds of every
//! claim about time follow from it, and so does the number of cases that may wait at once (`serve::crowd`).

use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use reusespec_core::Timing;
use reusespec_core::timing::Timers;

const SLEEPS: u32 = 250;
const SLEEP: Duration = Duration::from_micros(200);

/// Raises the priority of this process, so that a busy machine delays it less. Without root it keeps its priority.
///
/// Not for guests: they run no other processes, and cases would delay the kernel threads that deliver segments.
pub(crate) fn ask_for_precedence() {
    /// Half way from the default, 0, to the highest priority, -20 (setpriority(2)).
    const NICE: libc::c_int = -10;
    // SAFETY: setpriority(2) touches no memory of ours; a refusal changes nothing.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Returns the clocks, and the processor time of one wake-up.
pub(crate) fn calibrate() -> (Timing, Duration) {
    let late = |_| {
        let begun = Instant::now();
        thread::sleep(SLEEP);
        begun.elapsed().saturating_sub(SLEEP)
    };
    let before = computed();
    let lateness = (0..SLEEPS).map(late).max().unwrap_or_default();
    let wake_up = computed().saturating_sub(before) / SLEEPS;
    let timing = Timing {
        tick_us: tick_us(),
        timers: if cfg!(target_os = "linux") {
            Timers::Wheel
        } else if cfg!(target_os = "freebsd") {
            Timers::Together
        } else {
            Timers::Ticks
        },
        lateness_us: u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX),
    };
    (timing, wake_up)
}

/// The processor time of this process.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// The kernel's tick in microseconds: the resolution of the coarse clock (clock_getres(2)).
#[cfg(target_os = "linux")]
pub(crate) fn tick_us() -> u64 {
    let resolution = nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    let tick = resolution.map_or(Duration::from_millis(10), Duration::from);
    u64::try_from(tick.as_micros()).unwrap_or(u64::MAX)
}

/// The kernel's tick in microseconds: the second number of `kern.clockrate`, a struct clockinfo of five ints (clocks(7)).
#[cfg(not(target_os = "linux"))]
pub(crate) fn tick_us() -> u64 {
    let mut clockinfo = [0 as libc::c_int; 5];
    let mut length = size_of_val(&clockinfo);
    // SAFETY: the name ends with a zero; value and length outlive the call, and the length is the room.
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
