//! The channel of a guest with batch input: a pipe that only carries the guest's output, and is never full.
//!
//! QEMU writes the bytes of a UART one by one. A socket stores each in a buffer of its own and is full after about two
//! hundred. QEMU then retries after the host has read, and the host's scheduler decides whether that is before or after
//! the guest's next instruction. In virtual time this race would make two runs differ. A pipe stores bytes contiguously
//! and holds a megabyte, more than a guest sends while the host's reader is not scheduled.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

/// The largest pipe that needs no privileges, in bytes (pipe(7), `/proc/sys/fs/pipe-max-size`).
const PIPE_SIZE: libc::c_int = 1 << 20;

/// Creates the channel: a socket for the host, as for any other guest, and a pipe for QEMU.
pub(super) fn channel() -> io::Result<(UnixStream, PipeWriter)> {
    let (from_guest, guest) = io::pipe()?;
    // SAFETY: F_SETPIPE_SZ takes a number. If it fails, the pipe keeps its default of 64 KiB.
    unsafe { libc::fcntl(guest.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_SIZE) };
    let (ours, to_ours) = UnixStream::pair()?;
    // The thread ends when QEMU closes the pipe or the host closes the socket.
    thread::Builder::new()
        .name("guest output".into())
        .spawn(move || forward(&from_guest, &to_ours))?;
    Ok((ours, guest))
}

fn forward(mut from_guest: &PipeReader, mut to_ours: &UnixStream) {
    // An error means that the host has closed the socket.
    let _ = io::copy(&mut from_guest, &mut to_ours);
}
