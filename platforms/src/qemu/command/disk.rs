//! The devices of a complete system that its own loader starts: its disk or CD, and the medium that carries the agent.
//!
//! The machine keeps all of its default devices, because the system's loader and scripts may need any of them. The
//! system's image is never written to: a CD is read-only, and writes to a disk go to a temporary overlay that QEMU
//! creates (`snapshot=on`) and deletes.

use super::{Choice, Line};
use crate::profile::Entry;

/// The machine, with its firmware.
pub(super) const MACHINE: &str = "q35";

/// Adds the devices.
pub(super) fn media(line: &mut Line, entry: Entry, choice: Choice<'_>) {
    let system = choice.image.to_string_lossy();
    let agent = choice.root.expect("`Files::prepare` requires it");
    let agent = agent.to_string_lossy();
    match entry {
        // The guest's vtbd0 and vtbd1.
        Entry::Login => {
            line.pair(
                "-drive",
                &format!("file={system},if=none,id=system,format=raw,snapshot=on"),
            );
            line.pair("-device", "virtio-blk-pci,drive=system,bootindex=0");
            line.pair(
                "-drive",
                &format!("file={agent},if=none,id=agent,format=raw,read-only=on"),
            );
            line.pair("-device", "virtio-blk-pci,drive=agent");
        }
        // The guest's cd0 and cd1. Loader and kernel need a display.
        Entry::Pfi => {
            line.pair("-device", "VGA");
            for (number, (id, file)) in [("system", system), ("agent", agent)].into_iter().enumerate() {
                line.pair(
                    "-drive",
                    &format!("file={file},if=none,id={id},format=raw,media=cdrom,read-only=on"),
                );
                let boot = if number == 0 { ",bootindex=0" } else { "" };
                line.pair("-device", &format!("ide-cd,bus=ide.{number},drive={id}{boot}"));
            }
        }
    }
}
