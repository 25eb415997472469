//! A whole system that its own loader starts: the medium it is on, and the one that carries the agent.
//!
//! Nothing is taken away from the board, as nobody knows what the system's loader and scripts look for. The medium is never
//! written to: a CD cannot be, and what is written to a disk goes to a qcow2 overlay that QEMU itself makes (`snapshot=on`)
//! and that ends with it. So no file of ours has to be made and removed around each guest.

use super::{Choice, Line};
use crate::profile::Entry;

/// With a firmware, since there is no kernel to start.
pub(super) const MACHINE: &str = "q35";

pub(super) fn media(line: &mut Line, entry: Entry, choice: Choice<'_>) {
    let system = choice.image.to_string_lossy();
    let agent = choice.root.expect("`Files::prepare` has asked for it");
    let agent = agent.to_string_lossy();
    match entry {
        // vtbd0 and vtbd1.
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
        // cd0 and cd1. The loader writes to a display, and the kernel looks for one.
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
