//! Where something listens: a TCP address or a path. Scenarios, profiles and `--target` all end here.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::{Domain, SockAddr, Socket, Type};

/// A place to listen at or to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A blocking connection.
pub(crate) struct Connected {
    pub(crate) socket: Socket,
    /// The peer has accepted it and reset it before connect(2) returned.
    pub(crate) is_reset: bool,
}

impl ListenAddr {
    /// A connection, made within the time.
    pub(crate) fn connect(&self, within: std::time::Duration) -> io::Result<Connected> {
        let mut is_reset = false;
        match self {
            Self::Tcp(address) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                // What is written together arrives together, and what is written apart arrives apart. A BSD sets no option
                // of a connection that was reset.
                socket.set_tcp_nodelay(true)?;
                match socket.connect_timeout(&(*address).into(), within) {
                    // An RST in answer to the SYN would be ECONNREFUSED (RFC 9293 3.10.7.3).
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => is_reset = true,
                    connected => connected?,
                }
                Ok(Connected { socket, is_reset })
            }
            Self::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                // connect(2) on a Unix-domain socket waits for the backlog only this long: unix(7), SO_SNDTIMEO.
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

/// `127.0.0.1:9000`, `[::1]:9000`, or `unix:/run/app.sock`.
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
