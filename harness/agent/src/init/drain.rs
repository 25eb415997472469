//! Drains the serial port of a BSD guest: a process copies its input into a socket pair as soon as it arrives.
//!
//! A serial port has no flow control: when the terminal's input queue is full, the kernel drops bytes. DragonFly's
//! queue holds 1024 bytes (sys/tty.h, TTYHOG), about the length of one case, and meanwhile the agent forks, writes or
//! waits for the processor. So a process with the highest priority empties the queue. The socket pair has flow control:
//! when its buffer is full, the process waits. Virtio ports need no such process, because they have flow control.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

/// Starts the process and returns a file that reads the bytes of `port`. The process ends when that file is closed or
/// the port ends.
///
/// The caller must have one thread. The process is a child of PID 1, so that a caller that waits for its own children
/// does not wait for this one.
pub(super) fn start(port: File) -> io::Result<File> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: there is one thread, so the child may run code that is not async-signal-safe.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(OwnedFd::from(ours).into())
        }
        ForkResult::Child => {
            drop(ours);
            // SAFETY: as above. Both processes end by `_exit`, so neither returns into a second copy of the caller.
            if let Ok(ForkResult::Child) = unsafe { fork() } {
                // SAFETY: setpriority(2) takes integers only. Without the privilege the priority stays as it is.
                unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
                let _ = copy(&port, &theirs);
            }
            // SAFETY: `_exit` has no preconditions; it runs no exit handler of the parent.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Copies bytes until the reader closes its end or the port ends.
fn copy(mut port: &File, mut reader: &UnixStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        // The reader sends nothing, so POLLIN on its socket means that it has closed it. DragonFly does not report
        // POLLHUP unless an event is requested.
        let mut waiting = [
            PollFd::new(port.as_fd(), PollFlags::POLLIN),
            PollFd::new(reader.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut waiting, PollTimeout::NONE)?;
        if waiting[1].any().unwrap_or(true) {
            return Ok(());
        }
        match port.read(&mut bytes)? {
            0 => return Ok(()),
            count => reader.write_all(&bytes[..count])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A single test, because a process that a parallel test forks would hold this test's pipe open.
    #[test]
    fn bytes_arrive_in_order_until_the_reader_closes() {
        let (port, mut line) = io::pipe().unwrap();
        let mut reader = start(OwnedFd::from(port).into()).unwrap();
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let mut received = vec![0; sent.len()];
        std::thread::scope(|scope| {
            scope.spawn(|| line.write_all(&sent).unwrap());
            reader.read_exact(&mut received).unwrap();
        });
        assert_eq!(received, sent);
        drop(reader);
        // When the process has ended, the pipe has no reader any more.
        let ended = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            line.write_all(b"x").is_err()
        });
        assert!(ended, "the process still runs after ten seconds");
    }
}
