//! What a Linux kernel is started with, directly and with an archive as its first root file system.

use super::{Channel, Choice};
use crate::profile::{Board, Profile};
use crate::root_image::INPUT;

/// One instruction a nanosecond: a guest's clock and its work keep the proportion they have on a fast machine.
///
/// Nobody reads the record. But only while it records does QEMU keep its main loop from looking at a CPU that executes
/// (replay_mutex_lock). Without that the loop sees the CPU idle a moment before the instructions of its last stretch are
/// counted, skips from a time that is over, and the clock gains what the stretch took: up to some thirty microseconds,
/// now and then.
pub(super) const ICOUNT: &str = "shift=0,sleep=off,rr=record,rrfile=/dev/null";

/// The board as QEMU is told it.
pub(super) fn machine(board: Board) -> &'static str {
    match board {
        // With acpi=on a PVH kernel does not start; the PIT, the PIC and the RTC then stand in for ACPI's devices.
        Board::Microvm => "microvm,x-option-roms=off,isa-serial=on,acpi=off,pit=on,pic=on,rtc=on",
        // The HPET is what slows virtual time down: QEMU wakes at each of its ticks.
        Board::Q35 => "q35,hpet=off,i8042=off,sata=off,smbus=off",
        Board::Virt => "virt",
        Board::S390 => "s390-ccw-virtio",
    }
}

/// The kernel's command line.
pub(super) fn command_line(profile: &Profile, board: Board, channel: Channel, choice: Choice<'_>) -> String {
    let console = match (board, profile.machine.as_str()) {
        (Board::S390, _) => "ttysclp0",
        (Board::Virt, "aarch64") => "ttyAMA0",
        _ => "ttyS0",
    };
    let mut words = vec![format!("console={console}")];
    // Silence, as printing costs an emulated CPU time, until a panic raises the level: it does from 1, but not from 0
    // (linux/printk.h, console_verbose). A panic then restarts at once, and -no-reboot makes that the end.
    words.extend(["loglevel=1", "panic=-1", "nokaslr", "nowatchdog"].map(String::from));
    // Self tests, clearing of pages, and security modules nothing here uses.
    words.extend(
        [
            "cryptomgr.notests",
            "init_on_alloc=0",
            "audit=0",
            "lsm=capability",
        ]
        .map(String::from),
    );
    if matches!(board, Board::Microvm | Board::Q35) {
        // Without ACPI only a triple fault restarts; and no watchdog has to check this TSC.
        words.extend(["reboot=t", "mitigations=off", "tsc=reliable"].map(String::from));
    }
    words.extend(profile.qemu().command_line.iter().cloned());
    // Words with `=` that the kernel does not know become the environment of /init.
    words.push(match channel {
        Channel::Virtio => "REUSESPEC_CHANNEL=virtio".into(),
        Channel::Serial => "REUSESPEC_CHANNEL=/dev/ttyS1".into(),
    });
    if choice.root.is_some() {
        words.push("REUSESPEC_ROOT=/dev/vda".into());
    }
    if choice.input {
        words.push(format!("REUSESPEC_INPUT={INPUT}"));
    }
    words.join(" ")
}
