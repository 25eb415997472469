//! What this machine's clocks are worth: the kernel's tick, how late short sleeps end, and what waking up costs.
//!
//! Measured once when the agent starts, under whatever load there is. It costs about 70 ms a start; the bounds
//! of every claim about time follow from it, and so does how many cases may wait at once (`serve::crowd`).

use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use reusespec_core::Timing;
use reusespec_core::timing::Timers;

const SLEEPS: u32 = 250;
const SLEEP: Duration = Duration::from_micros(200);

/// Asks to be let run before ordinary processes, so that a busy machine is heard less in what is measured.
/// Only root is given that; everybody else is measured as late as they are. A guest has no other processes, and the
/// threads of its kernel that deliver segments would have to wait for cases.
pub(crate) fn ask_for_precedence() {
    /// Half way from ordinary to first (setpriority(2)).
    const NICE: libc::c_int = -10;
    // SAFETY: setpriority(2) touches no memory of ours; a refusal changes nothing.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Measures. The second is the time of a processor that one wake-up takes.
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

/// The time that this process has had a processor.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// The coarse clock advances once a tick (clock_getres(2)).
#[cfg(target_os = "linux")]
pub(crate) fn tick_us() -> u64 {
    let resolution = nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    let tick = resolution.map_or(Duration::from_millis(10), Duration::from);
    u64::try_from(tick.as_micros()).unwrap_or(u64::MAX)
}

/// The second number of `kern.clockrate`, a struct clockinfo of five ints, is the tick (clocks(7)).
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
