//! Who uses a socket of a case: the agent by system calls, or an adapter by requests.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;

use crate::program::Opened;
#[cfg(target_os = "linux")]
use crate::program::Seen;
#[cfg(target_os = "linux")]
use crate::socket_option;
use crate::stop::Stop;

/// What uses a socket of a case.
pub(crate) enum Owner {
    /// The agent, by system calls.
    Agent(Socket),
    /// An adapter, by requests.
    Adapter(Opened),
}

impl Owner {
    /// The agent's own socket. `name` is its name in the scenario.
    pub(crate) fn own(&self, name: &str) -> Result<&Socket, Stop> {
        match self {
            Self::Agent(socket) => Ok(socket),
            Self::Adapter(_) => Err(Stop::Unsupported(format!(
                "`{name}` belongs to an adapter, which has no request for this step"
            ))),
        }
    }

    /// A descriptor of the socket, for its options.
    pub(crate) fn visible(&self) -> Result<&Socket, Stop> {
        let hidden = || {
            let reason = "this system does not show the options of another process's socket";
            Stop::Unsupported(reason.to_owned())
        };
        match self {
            Self::Agent(socket) => Ok(socket),
            Self::Adapter(opened) => opened.duplicate.as_ref().ok_or_else(hidden),
        }
    }
}

/// SO_KEEPALIVE and its three values, of a process's socket with this local address, by their names. Empty on a system
/// that hides the sockets of another process.
///
/// # Errors
/// When the process has no such socket, or an option cannot be read.
#[cfg(target_os = "linux")]
pub fn keepalive_options(process: u32, local: SocketAddr) -> io::Result<Vec<(&'static str, i64)>> {
    let socket = Seen::default().duplicate(process, local);
    let socket =
        socket.ok_or_else(|| io::Error::other("it has no such socket, or the kernel refuses to show it"))?;
    [
        ("SO_KEEPALIVE", (libc::SOL_SOCKET, libc::SO_KEEPALIVE)),
        ("TCP_KEEPIDLE", (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE)),
        ("TCP_KEEPINTVL", (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL)),
        ("TCP_KEEPCNT", (libc::IPPROTO_TCP, libc::TCP_KEEPCNT)),
    ]
    .into_iter()
    .map(|(name, id)| Ok((name, socket_option::get(&socket, id)?.into())))
    .collect()
}

/// As on Linux.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn keepalive_options(_process: u32, _local: SocketAddr) -> io::Result<Vec<(&'static str, i64)>> {
    Ok(Vec::new())
}
