//! Finds out which kernel runs and sets its keepalive options.
//!
//! Calls `setsockopt` directly, because socket2 switches `SO_KEEPALIVE` on before it sets the other options, and rounds
//! periods down.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::{KeepaliveError, Kernel, Settings, during};

/// The running kernel.
#[cfg(target_os = "linux")]
pub(super) fn running() -> io::Result<Kernel> {
    Ok(Kernel::Linux)
}

/// The running kernel.
#[cfg(target_os = "freebsd")]
pub(super) fn running() -> io::Result<Kernel> {
    Ok(Kernel::FreeBsd)
}

/// The running kernel. Asked at run time, because the kernel may be older or newer than the one of the build.
#[cfg(target_os = "dragonfly")]
pub(super) fn running() -> io::Result<Kernel> {
    // kern.clockrate is a struct clockinfo of five ints; the first is hz (DragonFly sys/sys/time.h).
    let [hz, ..] = sysctl::<5>(c"kern.clockrate")?;
    let [release] = sysctl::<1>(c"kern.osreldate")?;
    Ok(Kernel::DragonFly {
        release: release.unsigned_abs(),
        hz: hz.unsigned_abs(),
    })
}

#[cfg(target_os = "dragonfly")]
fn sysctl<const N: usize>(name: &std::ffi::CStr) -> io::Result<[libc::c_int; N]> {
    let mut value = [0; N];
    let mut len = std::mem::size_of_val(&value);
    let new = std::ptr::null_mut();
    // SAFETY: the name ends with a zero; `value` and `len` outlive the call and `len` is the room in `value`.
    let failed =
        unsafe { libc::sysctlbyname(name.as_ptr(), value.as_mut_ptr().cast(), &raw mut len, new, 0) };
    if failed == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets those of idle, interval and count that are given.
pub(super) fn set(socket: &Socket, settings: Settings) -> Result<(), KeepaliveError> {
    let options = [
        ("TCP_KEEPIDLE", libc::TCP_KEEPIDLE, settings.idle),
        ("TCP_KEEPINTVL", libc::TCP_KEEPINTVL, settings.interval),
        ("TCP_KEEPCNT", libc::TCP_KEEPCNT, settings.count),
    ];
    for (name, option, value) in options {
        if let Some(value) = value {
            during(name, set_int(socket, option, value))?;
        }
    }
    Ok(())
}

fn set_int(socket: &Socket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = std::mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            len,
        )
    };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
