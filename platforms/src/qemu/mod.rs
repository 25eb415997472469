//! Runs guests under QEMU: from a profile, a kernel and an agent to a byte channel.
//!
//! `command` builds the command line (a pure function), `process` starts it, `accelerator` decides between KVM and TCG,
//! `warm` stores saved states, `files` and `pack` prepare a guest, `console` logs in to a system that needs it, and
//! `guest` combines them. `lossy` damages the channel in drills. Nothing here knows the protocol on the channel.

use std::path::PathBuf;

mod accelerator;
mod command;
mod console;
mod error;
mod files;
mod guest;
mod lossy;
mod monitor;
mod output_pipe;
mod pack;
mod process;
mod warm;

pub(crate) use accelerator::refusal as kvm_refusal;
pub use accelerator::{AcceleratorChoice, decide as decide_accelerator};
pub use error::GuestError;
pub use error::debian_package;
pub use guest::{Guest, Launch, Start};
pub(crate) use lossy::VARIABLE as DROP_EVERY;
pub(crate) use process::tail as log_tail;

/// The full path of `qemu-system-EMULATOR`.
///
/// # Errors
/// When it is not installed. The message names Debian's package.
pub fn require_program(emulator: &str) -> Result<PathBuf, GuestError> {
    find_program(emulator).ok_or_else(|| GuestError::NoQemu {
        program: format!("qemu-system-{emulator}"),
        package: debian_package(emulator),
    })
}

/// The full path of `qemu-system-EMULATOR`, if it is installed.
pub fn find_program(emulator: &str) -> Option<PathBuf> {
    which::which(format!("qemu-system-{emulator}")).ok()
}
