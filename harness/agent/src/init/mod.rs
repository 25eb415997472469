//! The agent as PID 1 of a guest: prepare the system, open the data channel, serve, power off.
//!
//! Neighbours: `platforms` packs this program as `/init`, boots the kernel and holds the other end of the channel;
//! the caller's `serve` speaks the case protocol and knows nothing of any of this.
//!
//! PID 1 only waits: the work is done by a child. It costs one fork, and in return an agent that is killed or
//! panics ends the guest at once with a line on the console (PID 1 dying would be a kernel panic that says nothing
//! about the cause), and orphans of the cases are reaped by somebody who is not waiting for a case.
//!
//! What passes on the channel before the protocol begins:
//! ```text
//! guest → host   reusespec-init 1           everything is mounted and loaded; a warm state is saved here
//! host → guest   go 1893456000000000000 5f… the time of day in ns since 1970, and fresh randomness in hex
//! guest → host   reusespec-init go          from here on the channel is `serve`'s
//! ```
//! A restored guest goes on after the first line: the second one gives it the time of day, and keeps two guests
//! restored from one state from choosing the same ports and sequence numbers. With `REUSESPEC_INPUT=/path` (virtual
//! time, where waiting for a host would advance the clock by an unknown amount) none is exchanged and the input is
//! read from that file.

use std::{
    fs::File,
    io,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    sys::wait::{WaitStatus, wait},
    unistd::{ForkResult, Pid, fork},
};

mod channel;
mod handshake;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly", test))]
mod pump;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod system;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
#[path = "bsd.rs"]
mod system;

/// Why the guest could not be made ready. It is printed on the console; the host quotes the console's tail.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A system call of the preparation failed; `what` completes "cannot".
    #[error("cannot {what}")]
    System {
        /// What was attempted, with its object.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The port did not appear, or the kernel's command line names no channel.
    #[error("no data channel: {0}")]
    Channel(String),
    /// The host's first line was not `go <nanoseconds> <hex>`.
    #[error("the host said {0:?} instead of `go`")]
    Handshake(String),
}

impl InitError {
    fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Whether the machine was started for us; processes forked from then on inherit the answer.
static IN_GUEST: AtomicBool = AtomicBool::new(false);

/// Whether nobody else needs this machine: its first process was us, or it was told a data channel.
pub(crate) fn in_guest() -> bool {
    IN_GUEST.load(Ordering::Relaxed)
}

/// Whether this process is the first of a guest, and so has to prepare it.
///
/// A container's first process has number 1 too. Only a guest's finds words of the kernel's command line, and
/// `REUSESPEC_CHANNEL` is always one of them.
pub fn is_init() -> bool {
    std::process::id() == 1 && system::word("REUSESPEC_CHANNEL").is_some()
}

/// Whether this process was told a channel by whoever started it on a system that is up already, as a script on a CD
/// does.
pub fn has_channel() -> bool {
    std::process::id() != 1 && std::env::var_os("REUSESPEC_CHANNEL").is_some()
}

/// Open that channel, call `serve` with its two halves, and give its exit status. The system is up, but it may be so
/// early that loopback is not, and it never has the addresses that cases use besides.
pub fn on_channel(serve: impl FnOnce(File, File) -> i32) -> i32 {
    if let Err(error) = system::loopback() {
        report(&error);
        return 1;
    }
    IN_GUEST.store(true, Ordering::Relaxed);
    converse(serve)
}

/// Prepare the system, call `serve` with the channel's two halves, and power off. Never returns.
///
/// `serve` runs in a child of PID 1 that may start threads and processes as it likes. Its result is the exit status
/// noted on the console; the host learns the outcome from the protocol alone.
pub fn run(serve: impl FnOnce(File, File) -> i32) -> ! {
    if let Err(error) = system::prepare() {
        report(&error);
        system::power_off();
    }
    IN_GUEST.store(true, Ordering::Relaxed);
    // SAFETY: PID 1 has one thread here; nothing has been started yet.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // A panic must not unwind into a second copy of `main`.
            let status = std::panic::catch_unwind(AssertUnwindSafe(|| converse(serve)));
            std::process::exit(status.unwrap_or(101))
        }
        Ok(ForkResult::Parent { child }) => {
            reap_until(child);
            system::power_off()
        }
        Err(error) => {
            eprintln!("reusespec-init: cannot fork: {error}");
            system::power_off()
        }
    }
}

fn converse(serve: impl FnOnce(File, File) -> i32) -> i32 {
    match channel::open().and_then(handshake::begin) {
        Ok((reader, writer)) => serve(reader, writer),
        Err(error) => {
            report(&error);
            1
        }
    }
}

fn reap_until(child: Pid) {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => {
                if status != 0 {
                    eprintln!("reusespec-init: the agent ended with status {status}");
                }
                return;
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                eprintln!("reusespec-init: the agent was killed by {signal}");
                return;
            }
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => {
                eprintln!("reusespec-init: cannot wait: {error}");
                return;
            }
        }
    }
}

fn report(error: &InitError) {
    let mut text = format!("reusespec-init: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    eprintln!("{text}");
}
