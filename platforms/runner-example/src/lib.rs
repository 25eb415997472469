//! A listener that can be restarted while connections of its predecessor are in TIME_WAIT.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Listens at `address`. On Unix, std sets SO_REUSEADDR.
///
/// # Errors
/// The error of bind(2) or listen(2).
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

/// The kernel's release, as uname(1) prints it.
///
/// # Errors
/// When /proc is not mounted.
pub fn kernel_release() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(text.trim().to_owned())
}
