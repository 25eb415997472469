//! The channel of a guest that was told everything before it started: it leads out only, and it is never full.
//!
//! QEMU writes what a UART sends octet by octet. A socket keeps each octet in a buffer of its own and is full after some
//! two hundred; QEMU then tries again when the host has read, and whether that is before or after the guest's next
//! instruction is the host's affair. In virtual time that is a difference between two runs. A pipe puts octets together
//! and holds a megabyte of them, more than any run says while its reader is not let run.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

/// What a pipe may be given without privileges (pipe(7), `/proc/sys/fs/pipe-max-size`).
const ROOM: libc::c_int = 1 << 20;

/// The reader's end, a socket like that of any other guest, and QEMU's.
pub(super) fn channel() -> io::Result<(UnixStream, PipeWriter)> {
    let (from_guest, guest) = io::pipe()?;
    // SAFETY: F_SETPIPE_SZ takes a number. Where it is refused the pipe has its 64 KiB.
    unsafe { libc::fcntl(guest.as_raw_fd(), libc::F_SETPIPE_SZ, ROOM) };
    let (ours, to_ours) = UnixStream::pair()?;
    // Ends with the pipe, that is with QEMU, or with the reader.
    thread::Builder::new()
        .name("guest's words".into())
        .spawn(move || pass_on(&from_guest, &to_ours))?;
    Ok((ours, guest))
}

fn pass_on(mut from_guest: &PipeReader, mut to_ours: &UnixStream) {
    // A reader that is gone needs nothing any more.
    let _ = io::copy(&mut from_guest, &mut to_ours);
}
