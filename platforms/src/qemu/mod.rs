//! Guests under QEMU: from a profile, a kernel and an agent to a byte channel.
//!
//! `command` builds the line (pure), `process` runs it, `accelerator` decides who executes, `warm` keeps states,
//! `files` and `pack` prepare a guest, `console` logs in where that is the only way, `guest` puts them together. Nothing here knows the protocol spoken on the channel.

mod accelerator;
mod command;
mod console;
mod error;
mod files;
mod guest;
mod monitor;
mod one_way;
mod pack;
mod process;
mod warm;

pub(crate) use accelerator::refusal as kvm_refusal;
pub use accelerator::{Verdict as AcceleratorVerdict, decide as decide_accelerator};
pub use error::GuestError;
pub use error::debian_package;
pub use guest::{Guest, Launch, Start};

/// The emulator's full path.
///
/// # Errors
/// When it is not installed; the text says which package has it.
pub fn require_program(emulator: &str) -> Result<PathBuf, GuestError> {
    find_program(emulator).ok_or_else(|| GuestError::NoQemu {
        program: format!("qemu-system-{emulator}"),
        package: debian_package(emulator),
    })
}

use std::path::PathBuf;

/// The emulator's full path, if it is installed.
pub fn find_program(emulator: &str) -> Option<PathBuf> {
    find_in_path(&format!("qemu-system-{emulator}"))
}

/// The full path of a program, if it is installed.
pub(crate) fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
