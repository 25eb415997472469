//! What a Linux kernel is started with, directly and with an archive as its first root file system.

use super::{Channel, Choice};
use crate::profile::{MachineType, PlatformProfile};
use crate::root_image::INPUT;

/// One instruction a nanosecond: a guest's clock and its work keep the proportion they have on a fast machine.
///
/// Nobody reads the record. But only while it records does QEMU keep its main loop from looking at a CPU that executes
/// (replay_mutex_lock). Without that the loop sees the CPU idle a moment before the instructions of its last stretch are
/// counted, skips from a time that is over, and the clock gains what the stretch took: up to some thirty microseconds,
/// now and then.
pub(super) const ICOUNT: &str = "shift=0,sleep=off,rr=record,rrfile=/dev/null";

/// The board as QEMU is told it.
pub(super) fn machine(machine_type: MachineType) -> &'static str {
    match machine_type {
        // With acpi=on a PVH kernel does not start; the PIT, the PIC and the RTC then stand in for ACPI's devices.
        MachineType::Microvm => "microvm,x-option-roms=off,isa-serial=on,acpi=off,pit=on,pic=on,rtc=on",
        // The HPET is what slows virtual time down: QEMU wakes at each of its ticks.
        MachineType::Q35 => "q35,hpet=off,i8042=off,sata=off,smbus=off",
        MachineType::Virt => "virt",
        MachineType::S390 => "s390-ccw-virtio",
    }
}

/// The kernel's command line.
pub(super) fn command_line(
    profile: &PlatformProfile,
    machine_type: MachineType,
    channel: Channel,
    choice: Choice<'_>,
) -> String {
    let console = match (machine_type, profile.machine.as_str()) {
        (MachineType::S390, _) => "ttysclp0",
        (MachineType::Virt, "aarch64") => "ttyAMA0",
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
    if matches!(machine_type, MachineType::Microvm | MachineType::Q35) {
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
