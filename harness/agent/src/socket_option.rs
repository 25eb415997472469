//! Socket options by level and number, for those that no crate wraps: setsockopt(2) and getsockopt(2).

use std::fmt::Debug;
use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use crate::stop::Stop;

/// Level and number of an option.
pub(crate) type OptionId = (libc::c_int, libc::c_int);

/// Fails with [`Stop::Unsupported`] if this system does not have the option.
pub(crate) fn known(option: impl Debug, id: Option<OptionId>) -> Result<OptionId, Stop> {
    id.ok_or_else(|| Stop::Unsupported(format!("{option:?} does not exist on {}", std::env::consts::OS)))
}

/// Sets an option to a value of any length.
pub(crate) fn set(socket: &Socket, (level, name): OptionId, octets: &[u8]) -> io::Result<()> {
    let length = octets.len() as libc::socklen_t;
    // SAFETY: the kernel reads `length` octets of the slice.
    let status = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, octets.as_ptr().cast(), length) };
    result(status)
}

/// Reads an option whose value is an `int`.
pub(crate) fn get(socket: &Socket, (level, name): OptionId) -> io::Result<i32> {
    let mut value = 0i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    let pointer = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `length` octets to `value`.
    let status = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, pointer, &raw mut length) };
    result(status).map(|()| value)
}

fn result(status: libc::c_int) -> io::Result<()> {
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
