//! The options with which a Linux kernel boots directly into our initramfs.

use super::{Channel, Choice};
use crate::profile::{MachineType, PlatformProfile};

/// The virtual clock: one instruction takes a nanosecond, about as on a fast machine.
///
/// The recording (`rr=record`) itself is not used. But only while it records does QEMU hold a lock
/// (`replay_mutex_lock`) that keeps its main loop from inspecting a CPU that executes. Without the lock there is a
/// race: the main loop sees the CPU idle before the instructions it has just executed are counted, and skips ahead from
/// an old time. The clock then sometimes gains up to 30 µs.
pub(super) const ICOUNT: &str = "shift=0,sleep=off,rr=record,rrfile=/dev/null";

/// QEMU's machine type and options.
pub(super) fn machine(machine_type: MachineType) -> &'static str {
    match machine_type {
        // With acpi=on a PVH kernel does not boot. PIT, PIC and RTC replace the devices that ACPI would describe.
        MachineType::Microvm => "microvm,x-option-roms=off,isa-serial=on,acpi=off,pit=on,pic=on,rtc=on",
        // Without the HPET, because QEMU wakes at each of its ticks, which slows virtual time down.
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
    // loglevel=1 prints nothing, because printing takes an emulated CPU time. A panic raises the level if it is 1, but
    // not if it is 0 (linux/printk.h, console_verbose). With panic=-1 a panic reboots at once, and -no-reboot ends
    // QEMU.
    words.extend(["loglevel=1", "panic=-1", "nokaslr", "nowatchdog"].map(String::from));
    // No self tests, no clearing of pages, no auditing, and only one security module.
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
        // Without ACPI only a triple fault reboots. The emulated TSC needs no watchdog.
        words.extend(["reboot=t", "mitigations=off", "tsc=reliable"].map(String::from));
    }
    words.extend(profile.qemu().command_line.iter().cloned());
    // The kernel puts unknown words with `=` into the environment of /init.
    words.push(match channel {
        Channel::Virtio => "REUSESPEC_CHANNEL=virtio".into(),
        Channel::Serial => "REUSESPEC_CHANNEL=/dev/ttyS1".into(),
    });
    if choice.root.is_some() {
        words.push("REUSESPEC_ROOT=/dev/vda".into());
    }
    if choice.input {
        words.push(super::input_word(profile));
    }
    words.join(" ")
}
