//! Listening sockets: TCP, Unix-domain, or a listener inherited in file descriptor 0 (§2.2).
//!
//! A process manager starts a FastCGI application with a listener as standard input. `getpeername` on a listener fails
//! with ENOTCONN, which tells the application that it is not a CGI program. The descriptor is duplicated, so that
//! dropping a [`Listener`] does not close the standard input of the process.

use std::io;
use std::net::{AddrParseError, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

/// Why listening failed.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {on}")]
    Bind {
        /// The address or path.
        on: String,
        /// The cause.
        source: io::Error,
    },
    /// The descriptor is not a listening socket.
    #[error("standard input is not a listening socket; is this program started as a CGI script?")]
    NotAListener(#[source] Option<io::Error>),
    /// FCGI_WEB_SERVER_ADDRS is not a list of IPv4 addresses.
    #[error("`{text}` in FCGI_WEB_SERVER_ADDRS is not an IPv4 address")]
    WebServerAddrs {
        /// The invalid entry.
        text: String,
        /// The cause.
        source: AddrParseError,
    },
}

/// A bound, listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpListener),
    /// Unix-domain stream. Dropping the listener does not remove its path.
    Unix(UnixListener),
}

impl Listener {
    /// Listens on a TCP address; for port 0 the kernel chooses a port, see [`Listener::tcp_address`].
    ///
    /// # Errors
    /// [`ListenError::Bind`].
    pub async fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).await;
        bound.map(Self::Tcp).map_err(|source| ListenError::Bind {
            on: address.to_string(),
            source,
        })
    }

    /// Listens on a path that does not exist yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError::Bind`].
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, ListenError> {
        let on = |path: &Path| path.display().to_string();
        let bound = UnixListener::bind(&path);
        bound.map(Self::Unix).map_err(|source| ListenError::Bind {
            on: on(path.as_ref()),
            source,
        })
    }

    /// Listens on descriptor 0. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError::NotAListener`].
    pub fn stdin() -> Result<Self, ListenError> {
        Self::inherited(io::stdin())
    }

    /// Listens on a duplicate of any descriptor.
    ///
    /// # Errors
    /// [`ListenError::NotAListener`].
    pub fn inherited(descriptor: impl AsFd) -> Result<Self, ListenError> {
        let not_a_listener = |source| ListenError::NotAListener(Some(source));
        let socket = socket2::Socket::from(descriptor.as_fd().try_clone_to_owned().map_err(not_a_listener)?);
        match socket.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => return Err(not_a_listener(error)),
            Ok(_) => return Err(ListenError::NotAListener(None)),
        }
        socket.set_nonblocking(true).map_err(not_a_listener)?;
        let address = socket.local_addr().map_err(not_a_listener)?;
        let listener = if address.is_unix() {
            UnixListener::from_std(socket.into()).map(Self::Unix)
        } else {
            TcpListener::from_std(socket.into()).map(Self::Tcp)
        };
        listener.map_err(not_a_listener)
    }

    /// The TCP address, `None` for a Unix-domain socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The path, `None` for a TCP socket.
    pub fn unix_path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(listener) => Some(listener.local_addr().ok()?.as_pathname()?.to_owned()),
        }
    }
}

/// Parses the value of FCGI_WEB_SERVER_ADDRS: IPv4 addresses separated by commas (§3.2).
///
/// # Errors
/// [`ListenError::WebServerAddrs`] with the first entry that is not an address.
pub fn web_server_addrs(value: &str) -> Result<Vec<Ipv4Addr>, ListenError> {
    let parse = |text: &str| {
        let text = text.trim();
        text.parse().map_err(|source| ListenError::WebServerAddrs {
            text: text.to_owned(),
            source,
        })
    };
    value.split(',').map(parse).collect()
}
