//! Sockets with `socket2::Socket`.
//!
//! Its functions are system calls, and it sets nothing by itself. So a listener is `new`, `bind` and `listen`, with the
//! backlog of the example in its documentation.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::answer::Outcome;
use crate::api::{self, Api, Opened, Options, Schedule};
use crate::ready::readable;

const BACKLOG: i32 = 128;

/// The bug with which Go ran on DragonFly for years (golang/go#65809): tests of the harness switch it on, to see that the
/// wire shows it.
const FAULT: (&str, &str) = ("REUSESPEC_ADAPTER_FAULT", "keepalive-in-milliseconds");

pub(crate) struct Socket2;

impl Socket2 {
    /// The idle time to set.
    fn idle(&self, idle: Duration) -> Duration {
        match std::env::var(FAULT.0) {
            Ok(fault) if fault == FAULT.1 => Duration::from_secs(idle.as_millis() as u64),
            Ok(_) | Err(_) => idle,
        }
    }
}

fn with_address(socket: Socket) -> Outcome<Opened<Socket>> {
    let local = socket.local_addr()?.as_socket();
    let local = local.ok_or_else(|| io::Error::other("the local address is not an IP address"))?;
    Ok((socket, local))
}

impl Api for Socket2 {
    const NAME: &'static str = "socket2";

    type Listener = Socket;
    type Connection = Socket;
    type Datagrams = Socket;

    fn listen(&mut self, at: SocketAddr, balanced: bool) -> Outcome<Opened<Socket>> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
        if balanced {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        with_address(socket)
    }

    fn bind_udp(&mut self, at: SocketAddr) -> Outcome<Opened<Socket>> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, None)?;
        socket.bind(&at.into())?;
        with_address(socket)
    }

    fn join(&mut self, socket: &Socket, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
        }
    }

    fn dial(&mut self, to: SocketAddr) -> Outcome<Opened<Socket>> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.connect(&to.into())?;
        with_address(socket)
    }

    fn accept(&mut self, listener: &Socket, within: Duration) -> Outcome<Opened<Socket>> {
        readable(listener, within)?;
        let (connection, _) = listener.accept()?;
        with_address(connection)
    }

    fn send(&mut self, connection: &mut Socket, bytes: &[u8]) -> Outcome<()> {
        Ok(connection.write_all(bytes)?)
    }

    fn receive(&mut self, connection: &mut Socket, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        readable(connection, within)?;
        Ok(connection.read(bytes)?)
    }

    fn send_datagram(&mut self, socket: &Socket, bytes: &[u8], to: Option<SocketAddr>) -> Outcome<()> {
        match to {
            Some(to) => socket.send_to(bytes, &SockAddr::from(to))?,
            None => socket.send(bytes)?,
        };
        Ok(())
    }

    fn receive_datagram(
        &mut self,
        mut socket: &Socket,
        bytes: &mut [u8],
        within: Duration,
    ) -> Outcome<usize> {
        readable(socket, within)?;
        Ok(socket.read(bytes)?)
    }

    fn keepalive(&mut self, socket: &api::Socket<Self>, schedule: Option<Schedule>) -> Outcome<()> {
        let socket = any(socket);
        let Some(schedule) = schedule else {
            return Ok(socket.set_keepalive(false)?);
        };
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = schedule.idle {
            keepalive = keepalive.with_time(self.idle(idle));
        }
        if let Some(interval) = schedule.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = schedule.count {
            keepalive = keepalive.with_retries(count);
        }
        Ok(socket.set_tcp_keepalive(&keepalive)?)
    }

    /// An option that the kernel does not have for the socket is left out.
    fn options(&mut self, socket: &api::Socket<Self>) -> Outcome<Options> {
        let socket = any(socket);
        let seconds = |time: Duration| time.as_secs().cast_signed();
        let options = [
            ("SO_REUSEADDR", socket.reuse_address().map(i64::from)),
            ("SO_REUSEPORT", socket.reuse_port().map(i64::from)),
            ("SO_KEEPALIVE", socket.keepalive().map(i64::from)),
            ("TCP_KEEPIDLE", socket.tcp_keepalive_time().map(seconds)),
            ("TCP_KEEPINTVL", socket.tcp_keepalive_interval().map(seconds)),
            ("TCP_KEEPCNT", socket.tcp_keepalive_retries().map(i64::from)),
            ("IPV6_V6ONLY", socket.only_v6().map(i64::from)),
        ];
        let read = options.into_iter();
        Ok(read
            .filter_map(|(name, value)| Some((name, value.ok()?)))
            .collect())
    }
}

fn any(socket: &api::Socket<Socket2>) -> &Socket {
    match socket {
        api::Socket::Listener(socket) | api::Socket::Connection(socket) | api::Socket::Datagrams(socket) => {
            socket
        }
    }
}
