//! Tests of opened sockets that hold on any kernel, and on Linux the effect of each visible fault.
//!
//! The kernel chooses each port, and a socket of the test holds it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::Socket;

use super::{SocketFault, Sockets};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn plain() -> Sockets {
    Sockets::default()
}

fn with(fault: SocketFault) -> Sockets {
    Sockets { fault: Some(fault) }
}

fn address(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}

#[test]
fn a_live_port_is_refused_to_a_second_listener() {
    let first = plain().listen_tcp(LOOPBACK).unwrap();
    let refused = plain().listen_tcp(address(&first)).unwrap_err();
    assert_eq!((refused.call, refused.errno()), ("bind", Some(libc::EADDRINUSE)));
}

#[test]
fn reuse_port_on_every_listener_allows_a_second_listener() {
    let sockets = with(SocketFault::ReusePortOnEveryListener);
    let first = sockets.listen_tcp(LOOPBACK).unwrap();
    sockets.listen_tcp(address(&first)).unwrap();
}

#[test]
fn reuse_addr_is_not_set_for_port_zero() {
    let chosen_by_kernel = plain().listen_tcp(LOOPBACK).unwrap();
    assert!(!chosen_by_kernel.reuse_address().unwrap());
    let faulty = with(SocketFault::ReuseAddrOnPortZero)
        .listen_tcp(LOOPBACK)
        .unwrap();
    assert!(faulty.reuse_address().unwrap());
}

#[test]
fn udp_sockets_do_not_share_an_address() {
    let socket = plain().bind_udp(LOOPBACK).unwrap();
    assert!(!socket.reuse_address().unwrap() && !socket.reuse_port().unwrap());
    assert_eq!(plain().bind_udp(address(&socket)).unwrap_err().call, "bind");
    let faulty = with(SocketFault::ReuseAddrOnUdp).bind_udp(LOOPBACK).unwrap();
    assert!(faulty.reuse_address().unwrap());
}

#[test]
fn balanced_listeners_share_one_port() {
    let first = plain().listen_balanced(LOOPBACK).unwrap();
    let second = plain().listen_balanced(address(&first)).unwrap();
    assert_eq!(address(&first), address(&second));
}

#[test]
fn joining_a_group_of_the_other_family_fails() {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = plain()
        .listen_multicast_udp(any, IpAddr::V6(Ipv6Addr::LOCALHOST))
        .unwrap_err();
    assert_eq!(
        (refused.call, refused.errno()),
        ("IPV6_JOIN_GROUP", Some(libc::EINVAL))
    );
}

/// On Linux a bound socket with `SO_REUSEADDR` reserves the port and does not hinder a listener.
#[cfg(target_os = "linux")]
mod on_linux {
    use super::{LOOPBACK, SocketFault, Sockets, address, plain, with};
    use socket2::{Domain, SockAddr, Socket, Type};
    use std::io::Read;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    fn reserved_port() -> (Socket, SocketAddr) {
        let handle = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        handle.set_reuse_address(true).unwrap();
        handle.bind(&SockAddr::from(LOOPBACK)).unwrap();
        let reserved = address(&handle);
        (handle, reserved)
    }

    /// Serves one connection, closes it first, so that the server holds TIME_WAIT, and stops listening.
    fn serve_once(listener: Socket, at: SocketAddr) {
        let listener = TcpListener::from(listener);
        let mut client = TcpStream::connect(at).unwrap();
        drop(listener.accept().unwrap());
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
    }

    #[test]
    fn a_listener_restarts_despite_time_wait() {
        let (_keeper, at) = reserved_port();
        serve_once(plain().listen_tcp(at).unwrap(), at);
        plain().listen_tcp(at).unwrap();
    }

    #[test]
    fn without_reuse_addr_a_restart_is_refused() {
        let sockets = Sockets {
            fault: Some(SocketFault::NoReuseAddr),
        };
        let listener = sockets.listen_tcp(LOOPBACK).unwrap();
        let at = address(&listener);
        serve_once(listener, at);
        assert_eq!(
            sockets.listen_tcp(at).unwrap_err().errno(),
            Some(libc::EADDRINUSE)
        );
    }

    #[test]
    fn reuse_addr_on_udp_allows_a_second_socket_on_the_address() {
        let sockets = with(SocketFault::ReuseAddrOnUdp);
        let first = sockets.bind_udp(LOOPBACK).unwrap();
        sockets.bind_udp(address(&first)).unwrap();
    }
}
