//! What FreeBSD's unpatched GENERIC kernel needs to be started directly (PVH, `-kernel`), without loader or firmware.
//!
//! Measured with 14.2 under QEMU 7.2 and 10.0, on one CPU and two. Without Xen, `DELAY()` on that way into the kernel
//! faults until the TSC is known to be invariant or a timecounter is attached; most of this keeps it from being called
//! before. Words the kernel does not know become its environment, which the agent reads with kenv(2).

use crate::profile::{Clock, PlatformProfile};
use crate::root_image::INPUT;

/// A machine without what would call `DELAY()` early, and without disks and buses nothing uses.
pub(super) const MACHINE: &str = "q35,i8042=off,sata=off,smbus=off";

/// A virtual clock that is not disturbed by the HPET, whose counter GENERIC would prefer.
pub(super) const MACHINE_VIRTUAL: &str = "q35,hpet=off,i8042=off,sata=off,smbus=off";

/// Measured: 7200 s pass in 15 to 21 s, and the clocks agree to a millisecond.
pub(super) const ICOUNT: &str = "shift=3,sleep=off";

/// Ends the machine by a write to a port, where switching it off costs six seconds.
pub(super) const EXIT: &str = "isa-debug-exit,iobase=0xf4,iosize=1";

/// The second serial port, opened for calling in: the agent sets CLOCAL.
pub(super) const CHANNEL: &str = "/dev/ttyu1";

/// Words and why.
pub(super) const WORDS: [(&str, &str); 14] = [
    (
        "vfs.root.mountfrom=cd9660:/dev/vtbd0",
        "the root image is the only disk",
    ),
    ("init_path=/agent", "the agent is the first process"),
    ("boot_serial=yes", "the console is a serial port"),
    ("console=uart", "and this driver's"),
    (
        "hw.uart.console=io:0x3f8,br:115200",
        "at this address, before devices are found",
    ),
    (
        "machdep.disable_tsc_calibration=1",
        "calibrating calls DELAY; the CPU's name has the frequency",
    ),
    ("kern.vty=sc", "vt would look for a screen and call DELAY"),
    ("hint.uart.0.at=isa", "without hints GENERIC swaps the two ports"),
    ("hint.uart.0.port=0x3F8", "the console"),
    ("hint.uart.0.irq=4", "the console"),
    ("hint.uart.0.flags=0x10", "which may be a console"),
    ("hint.uart.1.at=isa", "the data channel"),
    ("hint.uart.1.port=0x2F8", "the data channel"),
    ("hint.uart.1.irq=3", "the data channel"),
];

/// The kernel's command line.
pub(super) fn command_line(profile: &PlatformProfile, input: bool) -> String {
    let mut words: Vec<_> = WORDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    words.extend(profile.qemu().command_line.iter().cloned());
    words.push(format!("REUSESPEC_CHANNEL={CHANNEL}"));
    if input {
        words.push(format!("REUSESPEC_INPUT={INPUT}"));
    }
    words.join(" ")
}

/// The board, by the clock.
pub(super) fn machine(profile: &PlatformProfile) -> &'static str {
    match profile.clock {
        Clock::Real => MACHINE,
        Clock::Virtual => MACHINE_VIRTUAL,
    }
}
