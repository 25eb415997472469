//! Starts QEMU with its three inherited file descriptors, and reads the end of its logs.
//!
//! `crate::process` kills it with this process, `command` defines the descriptors' numbers, and `output_pipe` is the
//! channel of a guest with batch input.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    num::NonZeroU32,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use reusespec_channel::relay::{self, Host};

use super::command::{CONSOLE_FD, DATA_FD, MONITOR_FD};
use super::console::ConsoleLogin;
use super::{lossy, output_pipe};
use crate::process::ChildGuard;

/// QEMU's nice value, halfway between the default and the highest priority.
const NICE: libc::c_int = -10;

/// QEMU, and the host's ends of its descriptors.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: ChildGuard,
    pub(super) data: UnixStream,
    pub(super) monitor: UnixStream,
    /// The console of a guest with a login, until the login takes it.
    pub(super) console: Option<UnixStream>,
    /// The login at the console.
    pub(super) login: Option<ConsoleLogin>,
    pub(super) qemu_log: PathBuf,
}

impl Running {
    /// Relays the channel from here on: [`Self::data`] becomes a stream without losses. `window` is the number of bytes that
    /// the guest's port holds.
    pub(super) fn relay(&mut self, window: usize, drop_every: Option<NonZeroU32>) -> io::Result<()> {
        self.replace_data(drop_every, move |line, ours| {
            relay::run(line, ours, Host::default(), window, Vec::new())
        })
    }

    /// The same for a guest that only sends.
    pub(super) fn receive_only(&mut self, drop_every: Option<NonZeroU32>) -> io::Result<()> {
        self.replace_data(drop_every, relay::receive_only)
    }

    fn replace_data(
        &mut self,
        drop_every: Option<NonZeroU32>,
        relay: impl FnOnce(UnixStream, &UnixStream) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let (data, ours) = UnixStream::pair()?;
        let mut line = std::mem::replace(&mut self.data, data);
        if let Some(every) = drop_every {
            line = lossy::behind(line, every)?;
        }
        let relay = move || {
            if let Err(error) = relay(line, &ours) {
                // If the reader is gone, the error concerns nobody.
                let _ = (&ours).write_all(format!("{}{error}\n", relay::NOTE).as_bytes());
            }
        };
        thread::Builder::new().name("guest channel".into()).spawn(relay)?;
        Ok(())
    }
}

/// The destination of the console.
#[derive(Clone, Copy, Debug)]
pub(super) enum Console<'p> {
    /// A file.
    LogOnly(&'p Path),
    /// The socket [`Running::console`].
    Interactive,
}

/// Starts `program` with `arguments`. Its standard error goes to `qemu.log` in `folder`. With `sends_only` the channel
/// only carries the guest's output.
pub(super) fn start(
    program: &str,
    arguments: &[String],
    console: Console<'_>,
    folder: &Path,
    sends_only: bool,
) -> io::Result<Running> {
    let qemu_log = folder.join("qemu.log");
    let (data, guest_data): (_, OwnedFd) = if sends_only {
        let (data, guest_data) = output_pipe::channel()?;
        (data, guest_data.into())
    } else {
        let (data, guest_data) = UnixStream::pair()?;
        (data, guest_data.into())
    };
    let (monitor, guest_monitor) = UnixStream::pair()?;
    let (console, guest_console) = match console {
        Console::LogOnly(path) => (None, OwnedFd::from(File::create(path)?)),
        Console::Interactive => {
            let (ours, guests) = UnixStream::pair()?;
            (Some(ours), OwnedFd::from(guests))
        }
    };
    let inherited = [
        (duplicate_high(&guest_data)?, DATA_FD),
        (duplicate_high(&guest_monitor)?, MONITOR_FD),
        (duplicate_high(&guest_console)?, CONSOLE_FD),
    ];
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&qemu_log)?);
    let place = move || {
        // A higher priority reduces the guest's latency, because late cases are broken. Only root may raise it
        // (setpriority(2)), and a failure is ignored. A priority chosen by the user is kept.
        // SAFETY: no memory is passed.
        unsafe {
            if libc::getpriority(libc::PRIO_PROCESS, 0) == 0 {
                libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
            }
        }
        for (from, to) in &inherited {
            // SAFETY: `from` is open. `dup2` may close another descriptor of the child, which executes QEMU next.
            nix::Error::result(unsafe { libc::dup2(from.as_raw_fd(), *to) })?;
        }
        Ok(())
    };
    // SAFETY: only `getpriority`, `setpriority` and `dup2` between fork and exec.
    unsafe { command.pre_exec(place) };
    Ok(Running {
        child: ChildGuard::start(command)?,
        data,
        monitor,
        console,
        login: None,
        qemu_log,
    })
}

/// Duplicates a descriptor to a number above the fixed ones, so that moving one does not overwrite another. The
/// duplicate is closed on exec.
fn duplicate_high(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    const ABOVE: RawFd = 10;
    // SAFETY: `file` is open, and the result is a new descriptor that nothing else owns.
    unsafe {
        let fd = nix::Error::result(libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ABOVE))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Returns `lines` lines of a log: from a kernel's panic on if there is one, otherwise the last ones. The log may be
/// megabytes long and contain any bytes. Control characters are replaced, because the result is shown on a terminal.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    const WINDOW: u64 = 16 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = fs::metadata(path)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let clean = |line: &str| -> String {
        line.trim_end()
            .chars()
            .map(|c| {
                if c.is_control() && c != '\t' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect()
    };
    let all: Vec<_> = text.lines().map(clean).filter(|line| !line.is_empty()).collect();
    // A stack trace follows the panic's message and would displace it.
    let panic = all
        .iter()
        .rposition(|line| line.contains("Kernel panic") || line.starts_with("panic: "));
    let from = panic.unwrap_or(all.len().saturating_sub(lines));
    all[from..]
        .iter()
        .take(lines)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_has_the_last_lines_without_control_characters() {
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("console");
        fs::write(&log, b"one\r\n\r\ntwo\x1b[2J\r\nthree\xff\n").unwrap();
        assert_eq!(tail(&log, 2), "two\u{fffd}[2J\nthree\u{fffd}");
        assert_eq!(tail(&folder.path().join("absent"), 2), "");
        fs::write(
            &log,
            "booting\n[1.0] Kernel panic - not syncing\na\nlong\ntrace\n",
        )
        .unwrap();
        assert_eq!(tail(&log, 2), "[1.0] Kernel panic - not syncing\na");
    }
}
