//! Sockets with `tokio::net`.
//!
//! `TcpSocket` is used only where `TcpListener` lacks an option. socket2's `SockRef`, which can set more on a socket of
//! tokio, is not tokio's API.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::answer::{Answer, Outcome, unsupported};
use crate::api::{Api, Opened, Options, Schedule, Socket};

/// The backlog of the examples of `TcpSocket`.
const BACKLOG: u32 = 1024;
/// The shortest timeout: the runtime looks at sockets only when a task waits.
const SHORTEST: Duration = Duration::from_millis(1);

pub(crate) struct Tokio {
    runtime: Runtime,
}

impl Tokio {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime })
    }

    fn within<T>(&self, within: Duration, call: impl Future<Output = io::Result<T>>) -> Outcome<T> {
        let limited = async { timeout(within.max(SHORTEST), call).await };
        match self.runtime.block_on(limited) {
            Ok(result) => Ok(result?),
            Err(_) => Err(Answer::Nothing),
        }
    }
}

impl Api for Tokio {
    const NAME: &'static str = "tokio";

    type Listener = TcpListener;
    type Connection = TcpStream;
    type Datagrams = UdpSocket;

    fn listen(&mut self, at: SocketAddr, balanced: bool) -> Outcome<Opened<TcpListener>> {
        let listener = self.runtime.block_on(async {
            if !balanced {
                return TcpListener::bind(at).await;
            }
            let socket = match at {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            socket.set_reuseport(true)?;
            socket.bind(at)?;
            socket.listen(BACKLOG)
        })?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    }

    fn bind_udp(&mut self, at: SocketAddr) -> Outcome<Opened<UdpSocket>> {
        let socket = self.runtime.block_on(UdpSocket::bind(at))?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    }

    fn join(&mut self, socket: &UdpSocket, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => socket.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
        }
    }

    fn dial(&mut self, to: SocketAddr) -> Outcome<Opened<TcpStream>> {
        let connection = self.runtime.block_on(TcpStream::connect(to))?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn accept(&mut self, listener: &TcpListener, within: Duration) -> Outcome<Opened<TcpStream>> {
        let (connection, _) = self.within(within, listener.accept())?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn send(&mut self, connection: &mut TcpStream, bytes: &[u8]) -> Outcome<()> {
        Ok(self.runtime.block_on(connection.write_all(bytes))?)
    }

    fn receive(&mut self, connection: &mut TcpStream, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        self.within(within, connection.read(bytes))
    }

    fn send_datagram(&mut self, socket: &UdpSocket, bytes: &[u8], to: Option<SocketAddr>) -> Outcome<()> {
        match to {
            Some(to) => self.runtime.block_on(socket.send_to(bytes, to))?,
            None => self.runtime.block_on(socket.send(bytes))?,
        };
        Ok(())
    }

    fn receive_datagram(&mut self, socket: &UdpSocket, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        self.within(within, socket.recv(bytes))
    }

    fn keepalive(&mut self, _: &Socket<Self>, _: Option<Schedule>) -> Outcome<()> {
        unsupported(
            "tokio has only TcpSocket::set_keepalive, before connect and without values \
             (docs.rs/tokio/1.54.1/tokio/net/struct.TcpSocket.html)",
        )
    }

    fn options(&mut self, _: &Socket<Self>) -> Outcome<Options> {
        unsupported(
            "tokio::net reads such options of a TcpSocket only, before it listens or connects \
             (docs.rs/tokio/1.54.1/tokio/net/struct.TcpSocket.html)",
        )
    }
}
