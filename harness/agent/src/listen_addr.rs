//! The address of a server under test: a TCP address or the path of a Unix-domain socket.
//!
//! Scenarios, profiles and `--target` all use this type, so a step does not know which of them named the server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::{Domain, SockAddr, Socket, Type};

/// An address to listen at or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connection in blocking mode.
pub(crate) struct Connected {
    pub(crate) socket: Socket,
    /// The peer accepted the connection and reset it before connect(2) returned.
    pub(crate) is_reset: bool,
}

impl ListenAddr {
    /// Connects.
    ///
    /// # Errors
    /// Fails with the error of connect(2), and after `within` with a timeout.
    pub(crate) fn connect(&self, within: std::time::Duration) -> io::Result<Connected> {
        let mut is_reset = false;
        match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                // Each write becomes a segment of its own. Set before the connect, because a BSD refuses to set an
                // option of a connection that was reset.
                socket.set_tcp_nodelay(true)?;
                match socket.connect_timeout(&(*address).into(), within) {
                    // An RST in reply to the SYN would be ECONNREFUSED (RFC 9293 3.10.7.3).
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => is_reset = true,
                    connected => connected?,
                }
                Ok(Connected { socket, is_reset })
            }
            Self::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                // SO_SNDTIMEO limits how long connect(2) waits for room in the backlog (unix(7)).
                socket.set_write_timeout(Some(within))?;
                socket.connect(&SockAddr::unix(path)?)?;
                Ok(Connected { socket, is_reset })
            }
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Parses `127.0.0.1:9000`, `[::1]:9000`, or `unix:/run/app.sock`.
impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.parse().map_err(|_| {
            format!("bad target `{text}`, expected for example `127.0.0.1:9000` or `unix:/run/app.sock`")
        })?;
        Ok(Self::Tcp(address))
    }
}
