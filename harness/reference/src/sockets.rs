//! Sockets opened as the suite says they should be: which option goes on which socket, on which system.
//!
//! [`fault`] holds the historical mistakes that can be switched on again; `crate::keepalive` times connections.
//!
//! An IPv6 socket is made IPv6-only everywhere. Linux and FreeBSD disagree on the default and DragonFly has
//! no other kind; the price is that serving both families takes two sockets.

pub mod fault;

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

pub use fault::SocketFault;

/// Connections the kernel may queue for a listener; it lowers this to its own limit (`somaxconn`).
const BACKLOG: i32 = 1024;

/// Opens sockets by the rules of the reference implementation, or with one of them broken.
///
/// The sockets are blocking and closed on `exec`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sockets {
    /// The mistake to make; `None` obeys every rule.
    pub fault: Option<SocketFault>,
}

/// Which call refused, and the kernel's reason.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct SocketError {
    /// The system call or option, as its manual page names it: `bind`, `listen`, `SO_REUSEADDR`.
    pub call: &'static str,
    /// The kernel's answer.
    pub source: io::Error,
}

impl SocketError {
    /// The kernel's error number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

impl Sockets {
    /// A listening TCP socket on `address`.
    ///
    /// `SO_REUSEADDR`, so that a server can be restarted while connections of its predecessor are in
    /// `TIME_WAIT` (RFC 9293 §3.6.1; Linux socket(7)). Not when the port is 0: a kernel may then choose a port
    /// that another such socket already holds (libuv/libuv#5256). Never `SO_REUSEPORT`: it would let a second
    /// process take the port without an error (golang/go#2830).
    ///
    /// # Errors
    /// The refusing call: `bind` with `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL`, on Linux also `listen` with
    /// `EADDRINUSE`.
    pub fn listen_tcp(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::STREAM, Protocol::TCP)?;
        self.reuse_addr_on_listener(&socket, address)?;
        if self.has(SocketFault::ReusePortOnEveryListener) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        listen(&socket)?;
        Ok(socket)
    }

    /// A listening TCP socket on `address` that shares its port, and the connections to it, with the other
    /// sockets this function opens there.
    ///
    /// The option that spreads connections is `SO_REUSEPORT` on Linux and DragonFly and `SO_REUSEPORT_LB` on
    /// FreeBSD, where `SO_REUSEPORT` gives all of them to the newest listener. Only processes of one user can
    /// share on Linux.
    ///
    /// # Errors
    /// As [`Sockets::listen_tcp`].
    pub fn listen_balanced(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::STREAM, Protocol::TCP)?;
        self.reuse_addr_on_listener(&socket, address)?;
        if self.has(SocketFault::BalancedWithPlainReusePort) {
            set_reuse_port(&socket)?;
        } else {
            set_balanced(&socket)?;
        }
        bind(&socket, address)?;
        listen(&socket)?;
        Ok(socket)
    }

    /// A UDP socket that owns `address`.
    ///
    /// No option at all. On Linux `SO_REUSEADDR` would let any other user who sets it too bind the same
    /// address and receive the datagrams (python/cpython#81409).
    ///
    /// # Errors
    /// The refusing call: `bind` with `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL`.
    pub fn bind_udp(self, address: SocketAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        if self.has(SocketFault::ReuseAddrOnUdp) {
            set_reuse_addr(&socket)?;
        }
        if self.has(SocketFault::ReusePortOnEveryListener) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        Ok(socket)
    }

    /// A UDP socket on `address` that receives what is sent to `group`, beside others that do the same.
    ///
    /// `address` is the wildcard address of the group's family or the group itself, with the group's port; an
    /// IPv6 `address` names the interface by its scope id, otherwise the kernel's route to the group decides.
    /// `SO_REUSEADDR` everywhere, and on the BSDs `SO_REUSEPORT` too: there two wildcard addresses share a
    /// port by nothing less. On Linux the socket is also kept from hearing groups that other sockets joined
    /// (`IP_MULTICAST_ALL`, ip(7)).
    ///
    /// # Errors
    /// The refusing call: `bind` with `EADDRINUSE`; `IP_ADD_MEMBERSHIP` or `IPV6_JOIN_GROUP` with `ENODEV`
    /// where no route leads to the group, with `EINVAL` where `group` is no multicast address or of the other
    /// family than `address`.
    pub fn listen_multicast_udp(self, address: SocketAddr, group: IpAddr) -> Result<Socket, SocketError> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        set_reuse_addr(&socket)?;
        let on_bsd = cfg!(any(target_os = "freebsd", target_os = "dragonfly"));
        let on_every = self.has(SocketFault::ReusePortOnEveryListener);
        if on_every || (on_bsd && !self.has(SocketFault::MulticastWithoutReusePort)) {
            set_reuse_port(&socket)?;
        }
        bind(&socket, address)?;
        join(&socket, address, group)?;
        Ok(socket)
    }

    fn reuse_addr_on_listener(self, socket: &Socket, address: SocketAddr) -> Result<(), SocketError> {
        let wanted = match self.fault {
            Some(SocketFault::NoReuseAddr) => false,
            Some(SocketFault::ReuseAddrOnPortZero) => true,
            _ => address.port() != 0,
        };
        if wanted { set_reuse_addr(socket) } else { Ok(()) }
    }

    fn has(self, fault: SocketFault) -> bool {
        self.fault == Some(fault)
    }
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
