//! The devices of a complete system that its own loader starts: its disk, and the medium that carries the agent.
//!
//! The machine keeps all of its default devices, because the system's loader and scripts may need any of them. The
//! system's image is never written to: writes go to a temporary overlay that QEMU creates (`snapshot=on`) and deletes.

use super::{Choice, Line};

/// The machine, with its firmware.
pub(super) const MACHINE: &str = "q35";

/// Adds the devices: the guest's vtbd0 and vtbd1.
pub(super) fn media(line: &mut Line, choice: Choice<'_>) {
    let system = choice.image.to_string_lossy();
    let agent = choice.root.expect("`Files::prepare` requires it");
    let agent = agent.to_string_lossy();
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
