//! Why there is no guest, worded once; always with what its console said last.

use std::{io, path::PathBuf, time::Duration};

use crate::cache::CacheError;
use crate::profile::ProfileError;

/// Why there is no guest, always with what its console said last.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// QEMU for this machine is not installed.
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
        /// What it is instead, and what to do.
        what: String,
    },
    /// A whole system without what carries the agent.
    #[error("{platform} is started from its own disk, and no medium with an agent was given")]
    NoMedium {
        /// The platform.
        platform: String,
    },
    /// Files, sockets or the process could not be made.
    #[error("cannot {what}")]
    Host {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The temporary files.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The guest is there but not ready in time.
    #[error("the guest was not ready within {} s; {console}", .budget.as_secs_f32())]
    BootTimeout {
        /// How long was waited.
        budget: Duration,
        /// Words on the console's end.
        console: String,
    },
    /// QEMU ended, or the guest switched itself off, before it was ready.
    #[error("the guest ended before it was ready ({status}); {console}")]
    Ended {
        /// QEMU's exit status.
        status: String,
        /// Words on the console's end, and QEMU's own qemu_log.
        console: String,
    },
    /// What was to be typed at the console could not be, or led to something else.
    #[error("{failure}; {console}")]
    Console {
        /// What happened on it.
        failure: String,
        /// Words on the console's end.
        console: String,
    },
    /// There is no way to start this system with this kernel.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The channel carries something else.
    #[error("the guest sent {bytes} bytes that are not ours, beginning with {beginning:?}; {console}")]
    Garbage {
        /// How many.
        bytes: usize,
        /// The first of them.
        beginning: String,
        /// Words on the console's end.
        console: String,
    },
}

/// Debian's package of `qemu-system-EMULATOR`.
pub fn debian_package(emulator: &str) -> &'static str {
    match emulator {
        "aarch64" | "arm" => "qemu-system-arm",
        "riscv64" | "s390x" => "qemu-system-misc",
        _ => "qemu-system-x86",
    }
}

/// What this machine refused.
pub(super) fn host(what: &str) -> impl FnOnce(io::Error) -> GuestError {
    let what = what.to_owned();
    move |source| GuestError::Host { what, source }
}
