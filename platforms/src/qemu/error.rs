//! The errors of starting a guest. Where a guest has run, they include the end of its console.

use std::{io, path::PathBuf, time::Duration};

use crate::agents::NoAgent;
use crate::cache::CacheError;
use crate::profile::PlatformProfileError;

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// QEMU for the guest's machine is not installed.
    #[error("no {program} on this machine: install it (Debian: apt install {package})")]
    NoQemu {
        /// The program's name.
        program: String,
        /// Debian's package.
        package: &'static str,
    },
    /// The agent is not a program for this guest.
    #[error("{} cannot be the agent of {platform}: {what}", .path.display())]
    Agent {
        /// The file.
        path: PathBuf,
        /// The platform.
        platform: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// A complete system was launched without the medium that carries the agent.
    #[error("{platform} boots from its own disk, and no medium with an agent was given")]
    NoMedium {
        /// The platform.
        platform: String,
    },
    /// The Multiboot loader of this guest is not built.
    #[error(transparent)]
    NoLoader(#[from] NoAgent),
    /// QEMU would take the end of this path as arguments of a module.
    #[error("QEMU cannot load {}, because its path has a space: set REUSESPEC_CACHE to another folder", .0.display())]
    SpaceInPath(PathBuf),
    /// A file, socket or process could not be created or used.
    #[error("cannot {what}")]
    Host {
        /// What was attempted.
        what: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The guest runs, but was not ready in time.
    #[error("the guest was not ready within {} s; {console}", .budget.as_secs_f32())]
    BootTimeout {
        /// The timeout.
        budget: Duration,
        /// The end of the console.
        console: String,
    },
    /// QEMU exited, or the guest powered off, before it was ready.
    #[error("the guest ended before it was ready ({status}); {console}")]
    Ended {
        /// QEMU's exit status.
        status: String,
        /// The end of the console, and QEMU's own messages.
        console: String,
    },
    /// The login at the console failed.
    #[error("{failure}; {console}")]
    Console {
        /// What failed.
        failure: String,
        /// The end of the console.
        console: String,
    },
    /// This system cannot be booted with this kernel.
    #[error(transparent)]
    Profile(#[from] PlatformProfileError),
    /// The guest sent something else than the handshake.
    #[error(
        "the guest sent {bytes} bytes that are not from an agent, beginning with {beginning:?}; {console}"
    )]
    Garbage {
        /// The number of bytes.
        bytes: usize,
        /// The first of them.
        beginning: String,
        /// The end of the console.
        console: String,
    },
}

/// Debian's package with `qemu-system-EMULATOR`.
pub fn debian_package(emulator: &str) -> &'static str {
    match emulator {
        "aarch64" | "arm" => "qemu-system-arm",
        "riscv64" | "s390x" => "qemu-system-misc",
        _ => "qemu-system-x86",
    }
}

/// Wraps an error of the operating system.
pub(super) fn host(what: &str) -> impl FnOnce(io::Error) -> GuestError {
    let what = what.to_owned();
    move |source| GuestError::Host { what, source }
}
