//! Starts cases of virtual time at a fixed phase of the kernel's timer wheel.
//!
//! Linux keeps coarse timers on a wheel (kernel/time/timer.c): a timer of n ticks fires at a multiple of its bucket, and
//! buckets grow with n: 8 ticks for a second, 8⁵ ticks (131 s at 250 Hz) for the 7200 s of the default keepalive. So the
//! time of an event depends on where in a bucket its timer was set. In real time [`reusespec_core::Tolerance`] allows for
//! that. In virtual time, where waiting costs nothing, a case begins at a multiple of 8⁵ ticks, and each of its steps
//! early in a tick at a multiple of 8. What a case then observes depends neither on the time the kernel took to boot nor
//! on other cases.
//!
//! Ticks here are those of the kernel's counter, jiffies. The counter does not start with the boot clock: it lags by
//! 97 ms on Linux 5.10, 81 ms on 6.1, 140 ms on 6.12 and 144 ms on 7.2. With multiples of the boot clock the same rule
//! would show another time on each of them.
//!
//! What a kernel does at its first connection is done before: Linux fills 256 KiB with random numbers
//! (net/ipv4/inet_hashtables.c, table_perturb), which delays the first SYN by 6 ms at 1 ns per instruction.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::clocks;

/// Ticks of a bucket for waits of hours. Smaller buckets are powers of 8 too, so their phase is fixed with it.
const TICKS_OF_A_TURN: u64 = 8 * 8 * 8 * 8 * 8;
/// Ticks of a bucket for waits of a second.
const TICKS_OF_A_SPOKE: u64 = 8;

/// The longest time that a case waits before it begins.
pub(crate) fn turn() -> Duration {
    Duration::from_micros(clocks::tick_us() * TICKS_OF_A_TURN)
}

/// Opens a first connection, then waits until the tick counter is a multiple of a turn.
pub(super) fn wait_for_a_whole_turn() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect(listener.local_addr()?)?;
    wait_for_a_multiple_of(TICKS_OF_A_TURN);
    wait_for_a_spoke();
    Ok(())
}

/// Waits until the tick counter is a multiple of a spoke, and a quarter of a tick longer: the time that the next step
/// takes must not carry it into the next tick, and a sleep that ends early must not leave it in the last one.
pub(super) fn wait_for_a_spoke() {
    wait_for_a_multiple_of(TICKS_OF_A_SPOKE);
    thread::sleep(Duration::from_micros(clocks::tick_us()) / 4);
}

fn wait_for_a_multiple_of(ticks: u64) {
    static ZERO_NANOS: OnceLock<i128> = OnceLock::new();
    let period = i128::from(clocks::tick_us() * ticks) * 1000;
    let gone = (nanos() - ZERO_NANOS.get_or_init(zero_nanos)).rem_euclid(period);
    thread::sleep(Duration::from_nanos((period - gone) as u64));
}

/// The time by the boot clock, in nanoseconds.
fn nanos() -> i128 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every system has a monotonic clock");
    Duration::from(now).as_nanos() as i128
}

/// When the tick counter was zero by the boot clock, in nanoseconds. It starts below 2³², so that this is negative.
///
/// times(2) returns the counter in hundredths of a second (kernel/sys.c), so its value is exact where it changes. That
/// is watched for, which takes 10 ms at most unless another process interrupts it.
#[cfg(target_os = "linux")]
fn zero_nanos() -> i128 {
    const MICROS_OF_A_COUNT: i128 = 10_000;
    let tick_us = clocks::tick_us();
    // SAFETY: times(2) writes nothing through a null pointer.
    let count = || unsafe { libc::times(std::ptr::null_mut()) } as libc::c_ulong;
    let mut previous = (nanos(), count());
    loop {
        let now = (nanos(), count());
        let at = nanos();
        let read_at_once = at - previous.0 < i128::from(tick_us) * 1000 / 8;
        if now.1 != previous.1 && read_at_once {
            let ticks =
                (i128::from(now.1) * MICROS_OF_A_COUNT + i128::from(tick_us) - 1) / i128::from(tick_us);
            return at - ticks * i128::from(tick_us) * 1000;
        }
        previous = now;
    }
}

/// Other systems keep no wheel of this kind.
#[cfg(not(target_os = "linux"))]
fn zero_nanos() -> i128 {
    0
}
