//! The options with which a DragonFly kernel boots through our Multiboot loader (`platforms/loader`).
//!
//! QEMU starts the loader as `-kernel` and gives it the kernel and the root image as modules (`-initrd`). The words of
//! the command line become the kernel's environment, which the agent reads with kenv(2). The root image stays in memory,
//! so the machine needs no disk and no controller for one.

use super::{Choice, Line, freebsd};
use crate::profile::PlatformProfile;

/// The second serial port as a call-out device, which waits for no carrier.
pub(super) const CHANNEL: &str = "/dev/cuaa1";

/// The words of the command line, each with its reason.
pub(super) const WORDS: [(&str, &str); 4] = [
    (
        "vfs.root.mountfrom=cd9660:md0",
        "the loader's image is the first memory disk",
    ),
    (
        "vfs.root.wakedelay=1",
        "no disk has to be waited for; 0 would wait without an end",
    ),
    ("init_path=/agent", "the agent is the first process"),
    ("console=comconsole", "the console is a serial port"),
];

/// QEMU's machine type and options: those of FreeBSD.
pub(super) fn machine(profile: &PlatformProfile) -> &'static str {
    freebsd::machine(profile)
}

/// Adds the console as the first serial port and the channel as the second. QEMU's ACPI tables list the ports in the
/// reverse order of the options, and DragonFly numbers them in the order of the tables. With `-serial` the console would
/// be the second.
pub(super) fn serial_ports(line: &mut Line) {
    line.pair("-device", "isa-serial,index=1,chardev=data");
    line.pair("-device", "isa-serial,index=0,chardev=console");
}

/// Adds the loader, its modules and the environment.
pub(super) fn boot(line: &mut Line, profile: &PlatformProfile, choice: Choice<'_>) {
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    // A comma separates modules, and two of them are one in a path.
    let module = |file| path(file).replace(',', ",,");
    let root = choice.root.expect("this boot method has a root image");
    let loader = choice.loader.expect("this boot method has a loader");
    line.pair("-kernel", &path(loader));
    line.pair("-initrd", &format!("{},{}", module(choice.image), module(root)));
    let mut words: Vec<_> = WORDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    words.extend(profile.qemu().command_line.iter().cloned());
    words.push(format!("REUSESPEC_CHANNEL={CHANNEL}"));
    if choice.input {
        words.push(super::input_word(profile));
    }
    line.pair("-append", &words.join(" "));
}
