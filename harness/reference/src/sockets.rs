//! Opens sockets with the options that the scenarios demand of each kind of socket and system.
//!
//! [`fault`] lists the historical bugs that can be switched on; `hooks` is where they act.
//!
//! IPv6 sockets are IPv6-only everywhere, because the default differs between Linux and FreeBSD and DragonFly has no
//! dual-stack sockets. So serving both families takes two sockets.

pub mod fault;
mod hooks;

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

pub use fault::SocketFault;

/// The backlog of listeners; the kernel lowers it to its own limit (`somaxconn`).
const BACKLOG: i32 = 1024;

/// Opens sockets by the rules of the reference implementation, or with one known bug.
///
/// The sockets are blocking and closed on `exec`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sockets {
    /// The bug to switch on; `None` obeys every rule.
    pub fault: Option<SocketFault>,
}

/// A failed system call and the error of the kernel.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct SocketError {
    /// The system call or option, as its manual page names it: `bind`, `listen`, `SO_REUSEADDR`.
    pub call: &'static str,
    /// The kernel's error.
    pub source: io::Error,
}

impl SocketError {
    /// The kernel's error number, `errno`.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

impl Sockets {
    /// Opens a listening TCP socket on `address`.
    ///
    /// Sets `SO_REUSEADDR`, so that a server can restart while connections of its predecessor are in `TIME_WAIT`
    /// (RFC 9293 §3.6.1; Linux socket(7)). Does not set it for port 0, because the kernel may then choose a port that
    /// another such socket holds (libuv/libuv#5256). Never sets `SO_REUSEPORT`, which would let a second process take
    /// the port without an error (golang/go#2830).
    ///
    /// # Errors
    /// The call that failed: `bind` with `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL`, on Linux also `listen` with
    /// `EADDRINUSE`.
    pub fn listen_tcp(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::STREAM, Protocol::TCP)?;
        self.set_reuse_addr_on_listener(&socket, address)?;
        if self.reuse_port(false) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        listen(&socket)?;
        Ok(socket)
    }

    /// Opens a listening TCP socket on `address` that shares the port and its connections with the other sockets that
    /// this function opens there.
    ///
    /// `SO_REUSEPORT` distributes connections on Linux and DragonFly, `SO_REUSEPORT_LB` on FreeBSD, where
    /// `SO_REUSEPORT` gives all of them to the newest listener. On Linux only processes of one user can share a port.
    ///
    /// # Errors
    /// As [`Sockets::listen_tcp`].
    pub fn listen_balanced(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::STREAM, Protocol::TCP)?;
        self.set_reuse_addr_on_listener(&socket, address)?;
        match self.balanced_option(BalancedOption::OfSystem) {
            Some(BalancedOption::OfSystem) => set_balanced(&socket)?,
            Some(BalancedOption::ReusePort) => set_reuse_port(&socket)?,
            None => {}
        }
        bind(&socket, address)?;
        listen(&socket)?;
        Ok(socket)
    }

    /// Opens a UDP socket that owns `address`.
    ///
    /// Sets no option. On Linux `SO_REUSEADDR` would let any other user who sets it too bind the same address and
    /// receive the datagrams (python/cpython#81409).
    ///
    /// # Errors
    /// The call that failed: `bind` with `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL`.
    pub fn bind_udp(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        if self.reuse_addr_on_udp(false) {
            set_reuse_addr(&socket)?;
        }
        if self.reuse_port(false) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        Ok(socket)
    }

    /// Opens a UDP socket on `address` that receives the datagrams sent to `group`, beside other sockets that do so
    /// too.
    ///
    /// `address` is the wildcard address of the group's family or the group itself, with the group's port. The scope id
    /// of an IPv6 `address` selects the interface; without one the kernel's route to the group does. Sets
    /// `SO_REUSEADDR`, and on the BSDs `SO_REUSEPORT` too: without it two wildcard addresses cannot share a port there.
    /// On Linux also clears `IP_MULTICAST_ALL` (ip(7)), so that the socket does not receive groups that other sockets
    /// have joined.
    ///
    /// # Errors
    /// The call that failed: `bind` with `EADDRINUSE`; `IP_ADD_MEMBERSHIP` or `IPV6_JOIN_GROUP` with `ENODEV`
    /// if there is no route to the group, with `EINVAL` if `group` is not a multicast address or not of
    /// the family of `address`.
    pub fn listen_multicast_udp(self, address: SocketAddr, group: IpAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        if self.reuse_addr_on_multicast(true) {
            set_reuse_addr(&socket)?;
        }
        let on_bsd = cfg!(any(target_os = "freebsd", target_os = "dragonfly"));
        if self.reuse_port_on_multicast(on_bsd) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        join(&socket, address, group)?;
        Ok(socket)
    }

    fn set_reuse_addr_on_listener(self, socket: &Socket, address: SocketAddr) -> Result<(), SocketError> {
        if self.reuse_addr_on_listener(address.port() != 0) {
            set_reuse_addr(socket)?;
        }
        Ok(())
    }
}

/// The option that lets listeners share a port.
#[derive(Debug, Clone, Copy)]
enum BalancedOption {
    /// The option of this system that distributes connections.
    OfSystem,
    /// `SO_REUSEPORT`, whatever the system.
    ReusePort,
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> Result<Socket, SocketError> {
    let socket = during(
        "socket",
        Socket::new(Domain::for_address(address), kind, Some(protocol)),
    )?;
    if address.is_ipv6() {
        during("IPV6_V6ONLY", socket.set_only_v6(true))?;
    }
    Ok(socket)
}

fn bind(socket: &Socket, address: SocketAddr) -> Result<(), SocketError> {
    during("bind", socket.bind(&address.into()))
}

fn listen(socket: &Socket) -> Result<(), SocketError> {
    during("listen", socket.listen(BACKLOG))
}

fn set_reuse_addr(socket: &Socket) -> Result<(), SocketError> {
    during("SO_REUSEADDR", socket.set_reuse_address(true))
}

fn set_reuse_port(socket: &Socket) -> Result<(), SocketError> {
    during("SO_REUSEPORT", socket.set_reuse_port(true))
}

#[cfg(target_os = "freebsd")]
fn set_balanced(socket: &Socket) -> Result<(), SocketError> {
    during("SO_REUSEPORT_LB", socket.set_reuse_port_lb(true))
}

#[cfg(not(target_os = "freebsd"))]
fn set_balanced(socket: &Socket) -> Result<(), SocketError> {
    set_reuse_port(socket)
}

fn join(socket: &Socket, address: SocketAddr, group: IpAddr) -> Result<(), SocketError> {
    match (group, address) {
        (IpAddr::V4(group), SocketAddr::V4(_)) => {
            #[cfg(target_os = "linux")]
            during("IP_MULTICAST_ALL", socket.set_multicast_all_v4(false))?;
            during(
                "IP_ADD_MEMBERSHIP",
                socket.join_multicast_v4(&group, &std::net::Ipv4Addr::UNSPECIFIED),
            )
        }
        (IpAddr::V6(group), SocketAddr::V6(address)) => {
            #[cfg(target_os = "linux")]
            during("IPV6_MULTICAST_ALL", socket.set_multicast_all_v6(false))?;
            during(
                "IPV6_JOIN_GROUP",
                socket.join_multicast_v6(&group, address.scope_id()),
            )
        }
        (IpAddr::V4(_), _) => during(
            "IP_ADD_MEMBERSHIP",
            Err(io::Error::from_raw_os_error(libc::EINVAL)),
        ),
        (IpAddr::V6(_), _) => during("IPV6_JOIN_GROUP", Err(io::Error::from_raw_os_error(libc::EINVAL))),
    }
}

fn during<T>(call: &'static str, result: io::Result<T>) -> Result<T, SocketError> {
    result.map_err(|source| SocketError { call, source })
}

#[cfg(test)]
mod tests;
