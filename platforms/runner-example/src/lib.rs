//! A listener that can be started again while connections of the former one are in TIME_WAIT.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Listens at `address`; std sets SO_REUSEADDR on every Unix.
///
/// # Errors
/// The kernel's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// The kernel's release, as uname(1) prints it.
///
/// # Errors
/// Where there is no /proc.
pub fn kernel_release() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(text.trim().to_owned())
}
