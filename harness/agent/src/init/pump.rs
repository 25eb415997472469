//! A process that does nothing but take what a BSD's serial port has received.
//!
//! A terminal's queue has no brake below it: what comes while it is full is dropped, byte by byte, and DragonFly's holds
//! 1024 (sys/tty.h, TTYHOG). A case is about as long, and its agent forks, writes and is not let run meanwhile. So a
//! process of the highest precedence empties the queue into a pair of sockets, which waits as long as it has to. Virtio
//! ports have a brake of their own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

/// Starts the process, and gives what reads as `port` did. It ends with its reader, or with the port.
///
/// The caller has one thread. The process is nobody's child but that of the system's first one: who waits for children
/// does not meet it.
pub(super) fn start(port: File) -> io::Result<File> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: there is one thread, so the child may do whatever its parent may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(OwnedFd::from(ours).into())
        }
        ForkResult::Child => {
            drop(ours);
            // SAFETY: as above. Both end without unwinding into a second copy of the caller.
            if let Ok(ForkResult::Child) = unsafe { fork() } {
                // SAFETY: integers only. Who may not have precedence has none.
                unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
                let _ = pump(&port, &theirs);
            }
            // SAFETY: it ends this process and runs nothing of what was set up for its parent.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Until the reader has gone or the port has ended.
fn pump(mut port: &File, mut reader: &UnixStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        // The reader says nothing, so what is to be read from it is its end; DragonFly tells of none that is not asked for.
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

    /// One test, because a process forked beside it would hold this one's pipe.
    #[test]
    fn what_a_port_receives_arrives_in_order_until_the_reader_goes() {
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
        // Once it has noticed, nobody has the port any more.
        let gone = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            line.write_all(b"x").is_err()
        });
        assert!(gone, "ten seconds later it is still there");
    }
}
