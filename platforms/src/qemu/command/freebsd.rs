//! The options with which FreeBSD's unpatched GENERIC kernel boots directly (PVH, `-kernel`), without loader or
//! firmware.
//!
//! Measured with FreeBSD 14.2 under QEMU 7.2 and 10.0, with one CPU and two. When the kernel starts through PVH without
//! Xen, `DELAY()` faults until the TSC is known to be invariant or a timecounter is attached. Most of the options
//! prevent calls of `DELAY()` before that. The kernel puts words it does not know into its environment, which the agent
//! reads with kenv(2).

use crate::profile::{Clock, PlatformProfile};

/// The machine without the devices whose drivers call `DELAY()` early, and without unused disk controllers and buses.
pub(super) const MACHINE: &str = "q35,i8042=off,sata=off,smbus=off";

/// The machine in virtual time: also without the HPET, which GENERIC would prefer as its timecounter.
pub(super) const MACHINE_VIRTUAL: &str = "q35,hpet=off,i8042=off,sata=off,smbus=off";

/// The virtual clock. Measured: 7200 s pass in 15 to 21 s, and the guest's clocks agree to a millisecond.
pub(super) const ICOUNT: &str = "shift=3,sleep=off";

/// A device that ends QEMU when a port is written. Powering off takes six seconds.
pub(super) const EXIT: &str = "isa-debug-exit,iobase=0xf4,iosize=1";

/// The second serial port as a call-in device; the agent sets CLOCAL.
pub(super) const CHANNEL: &str = "/dev/ttyu1";

/// The words of the kernel's command line, each with its reason.
pub(super) const WORDS: [(&str, &str); 14] = [
    (
        "vfs.root.mountfrom=cd9660:/dev/vtbd0",
        "the root image is the only disk",
    ),
    ("init_path=/agent", "the agent is the first process"),
    ("boot_serial=yes", "the console is a serial port"),
    ("console=uart", "the console uses this driver"),
    (
        "hw.uart.console=io:0x3f8,br:115200",
        "the console's address before devices are probed",
    ),
    (
        "machdep.disable_tsc_calibration=1",
        "calibration calls DELAY; the CPU's name has the frequency",
    ),
    ("kern.vty=sc", "vt would probe for a screen and call DELAY"),
    ("hint.uart.0.at=isa", "without hints GENERIC swaps the two ports"),
    ("hint.uart.0.port=0x3F8", "the console"),
    ("hint.uart.0.irq=4", "the console"),
    ("hint.uart.0.flags=0x10", "the console: permits its use as one"),
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
        words.push(super::input_word(profile));
    }
    words.join(" ")
}

/// QEMU's machine type and options.
pub(super) fn machine(profile: &PlatformProfile) -> &'static str {
    match profile.clock {
        Clock::Real => MACHINE,
        Clock::Virtual => MACHINE_VIRTUAL,
    }
}
