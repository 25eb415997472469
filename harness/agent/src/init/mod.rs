//! Runs the agent as PID 1 of a guest: prepares the system, opens the channel, serves, and powers off.
//!
//! `platforms` packs this program as `/init`, boots the kernel and holds the other end of the channel. The caller
//! passes `serve`, which speaks the case protocol and does not depend on this module.
//!
//! PID 1 only waits for a child, which does the work. That costs one fork and has two benefits. If the agent panics or
//! is killed, the guest ends at once with a line on the console; if PID 1 died, the kernel would panic and not name the
//! cause. And PID 1 reaps orphans of the cases.
//!
//! The handshake is in `reusespec_core::handshake`, the frames behind it in `reusespec_channel`. The child relays between
//! the line and a socket, and the agent is a child of its own: an agent that computes cannot empty a ring of a few hundred
//! bytes in time. The relay ends when the host has acknowledged the agent's last byte, so nothing is lost when the guest
//! powers off.
//!
//! A restored guest continues after the handshake's first line. The second line sets its clock, and makes two guests that
//! were restored from one state choose different ports and sequence numbers. Two words of the kernel's command line change
//! the input:
//!
//! - `REUSESPEC_INPUT=/path`: all input is in that file, and the guest only sends. There is no handshake. Virtual time needs
//!   this: if the guest waited for the host, its clock would advance by an unknown amount.
//! - `REUSESPEC_PRELOAD=/path`: the input begins with that file and goes on with the channel.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::fd::OwnedFd,
    os::unix::net::UnixStream,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    sys::termios::tcdrain,
    sys::wait::{WaitStatus, wait, waitpid},
    unistd::{ForkResult, Pid, fork},
};
use reusespec_channel::one_way;
use reusespec_channel::relay::{self, Guest};

mod channel;
mod handshake;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod system;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
#[path = "bsd.rs"]
mod system;

/// Why the guest could not be prepared. It is printed on the console, whose tail the host reports.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A step of the preparation failed. `what` completes "cannot".
    #[error("cannot {what}")]
    System {
        /// The step that failed.
        what: String,
        /// The kernel's error.
        source: io::Error,
    },
    /// The port did not appear, or the kernel's command line names no channel.
    #[error("no channel: {0}")]
    Channel(String),
    /// The host's first line was not `go <nanoseconds> <hex>`.
    #[error("the host sent {0:?} instead of `go`")]
    Handshake(String),
}

impl InitError {
    fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Whether this machine was started for the agent. Forked processes inherit the value.
static IN_GUEST: AtomicBool = AtomicBool::new(false);

/// Whether this machine runs nothing else: the agent is its PID 1, or was started on a channel.
pub(crate) fn in_guest() -> bool {
    IN_GUEST.load(Ordering::Relaxed)
}

/// Whether this process is PID 1 of a guest, and so has to prepare it.
///
/// The first process of a container has PID 1 too. But only a guest has `REUSESPEC_CHANNEL` on its kernel's command
/// line.
pub fn is_init() -> bool {
    std::process::id() == 1
        && !has_standard_channel()
        && system::boot_parameter("REUSESPEC_CHANNEL").is_some()
}

/// Whether the standard streams are the channel: the value `stdio`. A sandbox that was started for the agent has pipes
/// with flow control, needs no preparation and is never restored, so there is no handshake either.
pub fn has_standard_channel() -> bool {
    std::env::var_os("REUSESPEC_CHANNEL").is_some_and(|value| value == "stdio")
}

/// Records that this machine, a sandbox, runs nothing but the agent.
pub fn enter_sandbox() {
    IN_GUEST.store(true, Ordering::Relaxed);
}

/// Whether the environment names a channel although this process is not PID 1. A script on a CD starts the agent that
/// way on a system that has booted.
pub fn has_channel() -> bool {
    std::process::id() != 1 && std::env::var_os("REUSESPEC_CHANNEL").is_some()
}

/// Opens the channel, calls `serve` with its two streams, and returns its exit status. Configures loopback first: early
/// in the boot of a system it may be down, and it always lacks the additional addresses that cases use.
pub fn on_channel(serve: impl FnOnce(File, Box<dyn Write>) -> i32) -> i32 {
    if let Err(error) = system::loopback() {
        report(&error);
        return 1;
    }
    IN_GUEST.store(true, Ordering::Relaxed);
    converse(serve)
}

/// Prepares the system, calls `serve` with the two streams of the channel, and powers off. Never returns.
///
/// `serve` runs in a child of PID 1, which may start threads and processes. Its result is an exit status, which is
/// printed on the console if it is not 0. The host relies on the protocol alone.
pub fn run(serve: impl FnOnce(File, Box<dyn Write>) -> i32) -> ! {
    if let Err(error) = system::prepare() {
        report(&error);
        system::power_off();
    }
    IN_GUEST.store(true, Ordering::Relaxed);
    // SAFETY: PID 1 has one thread, because nothing has started another.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // A panic must not unwind into the child's copy of `main`.
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

fn converse(serve: impl FnOnce(File, Box<dyn Write>) -> i32) -> i32 {
    let result = channel::open().and_then(|port| match system::boot_parameter("REUSESPEC_INPUT") {
        Some(path) => {
            let input = File::open(&path).map_err(InitError::system(format!("open {path}")))?;
            let sent = port.file.try_clone();
            let status = serve(input, Box::new(one_way::Sender::new(port.file)));
            // The machine is powered off next, and a serial port sends slowly. A virtio port is no terminal, and needs no
            // wait.
            if let Err(error) = sent.and_then(|port| Ok(tcdrain(port)?))
                && error.raw_os_error() != Some(libc::ENOTTY)
            {
                eprintln!("reusespec-init: cannot wait for the channel's output: {error}");
            }
            Ok(status)
        }
        None => relay(port, serve),
    });
    result.unwrap_or_else(|error| {
        report(&error);
        1
    })
}

/// Calls `serve` in a process of its own, and relays between its streams and the line. Returns its exit status.
fn relay(mut port: channel::Port, serve: impl FnOnce(File, Box<dyn Write>) -> i32) -> Result<i32, InitError> {
    let preload = match system::boot_parameter("REUSESPEC_PRELOAD") {
        Some(path) => fs::read(&path).map_err(InitError::system(format!("read {path}")))?,
        None => Vec::new(),
    };
    handshake::perform(&mut port)?;
    let (ours, theirs) = UnixStream::pair().map_err(InitError::system("make a socket pair"))?;
    // SAFETY: this process has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            drop((ours, port));
            let reader = theirs.try_clone().map(OwnedFd::from).map(File::from);
            let status = reader.map(|reader| serve(reader, Box::new(theirs)));
            std::process::exit(status.unwrap_or(1))
        }
        Ok(ForkResult::Parent { child }) => {
            drop(theirs);
            // The port's ring must be emptied in time.
            // SAFETY: setpriority(2) takes integers only. Without the privilege the priority stays as it is.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
            let relayed = relay::run(&port.file, &ours, Guest::default(), port.to_host_window, preload);
            // The agent ends when its input does.
            drop(ours);
            relayed.map_err(InitError::system("relay the channel"))?;
            let ended = waitpid(child, None)
                .map_err(|error| InitError::system("wait for the agent")(error.into()))?;
            match ended {
                WaitStatus::Exited(_, status) => Ok(status),
                // Without options waitpid(2) reports ends only.
                ended => {
                    eprintln!("reusespec-init: the agent was killed: {ended:?}");
                    Ok(1)
                }
            }
        }
        Err(error) => Err(InitError::system("fork")(error.into())),
    }
}

/// Reaps processes until `child` has ended, and prints why it ended.
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

/// Prints an error and its causes on the console.
fn report(error: &InitError) {
    let mut text = format!("reusespec-init: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    eprintln!("{text}");
}
