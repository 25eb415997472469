//! Sockets with `mio::net` and its `Poll`.
//!
//! A call is tried before the wait and again after each event, of whichever socket: events of mio are edges, and the
//! edge may have come while another socket was waited for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;

use crate::answer::{Answer, Outcome, unsupported};
use crate::api::{Api, Opened, Options, Schedule, Socket};

pub(crate) struct Mio {
    poll: Poll,
    events: Events,
    registered: usize,
}

impl Mio {
    pub(crate) fn new() -> io::Result<Self> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(64));
        Ok(Self {
            poll,
            events,
            registered: 0,
        })
    }

    fn register(&mut self, socket: &mut impl Source) -> io::Result<()> {
        self.registered += 1;
        let all = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(self.registered), all)
    }

    /// Makes a call until it does not return `WouldBlock`, at most `within` if that is given.
    fn until_ready<T>(
        &mut self,
        within: Option<Duration>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> Outcome<T> {
        let deadline = within.map(|within| Instant::now() + within);
        loop {
            match call() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Ok(result?),
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(Answer::Nothing);
            }
            self.poll.poll(&mut self.events, left)?;
        }
    }
}

/// Whether a connection is complete, as the documentation of `TcpStream::connect` finds it out.
fn connected(connection: &TcpStream) -> io::Result<()> {
    if let Some(error) = connection.take_error()? {
        return Err(error);
    }
    match connection.peer_addr() {
        Err(error)
            if error.kind() == ErrorKind::NotConnected
                || error.raw_os_error() == Some(Errno::EINPROGRESS as i32) =>
        {
            Err(ErrorKind::WouldBlock.into())
        }
        peer => peer.map(drop),
    }
}

impl Api for Mio {
    const NAME: &'static str = "mio";

    type Listener = TcpListener;
    type Connection = TcpStream;
    type Datagrams = UdpSocket;

    fn listen(&mut self, at: SocketAddr, balanced: bool) -> Outcome<Opened<TcpListener>> {
        if balanced {
            return unsupported("mio::net::TcpListener has no option for a shared port");
        }
        let mut listener = TcpListener::bind(at)?;
        self.register(&mut listener)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    }

    fn bind_udp(&mut self, at: SocketAddr) -> Outcome<Opened<UdpSocket>> {
        let mut socket = UdpSocket::bind(at)?;
        self.register(&mut socket)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    }

    fn join(&mut self, socket: &UdpSocket, group: IpAddr) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
        }
    }

    fn dial(&mut self, to: SocketAddr) -> Outcome<Opened<TcpStream>> {
        let mut connection = TcpStream::connect(to)?;
        self.register(&mut connection)?;
        self.until_ready(None, || connected(&connection))?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn accept(&mut self, listener: &TcpListener, within: Duration) -> Outcome<Opened<TcpStream>> {
        let (mut connection, _) = self.until_ready(Some(within), || listener.accept())?;
        self.register(&mut connection)?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn send(&mut self, connection: &mut TcpStream, bytes: &[u8]) -> Outcome<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let sent = self.until_ready(None, || connection.write(left))?;
            left = &left[sent..];
        }
        Ok(())
    }

    fn receive(&mut self, connection: &mut TcpStream, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        self.until_ready(Some(within), || connection.read(bytes))
    }

    fn send_datagram(&mut self, socket: &UdpSocket, bytes: &[u8], to: Option<SocketAddr>) -> Outcome<()> {
        let send = || match to {
            Some(to) => socket.send_to(bytes, to),
            None => socket.send(bytes),
        };
        self.until_ready(None, send).map(drop)
    }

    fn receive_datagram(&mut self, socket: &UdpSocket, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        self.until_ready(Some(within), || socket.recv(bytes))
    }

    fn keepalive(&mut self, _: &Socket<Self>, _: Option<Schedule>) -> Outcome<()> {
        unsupported("mio::net has no keepalive (docs.rs/mio/1.2.5/mio/net/struct.TcpStream.html)")
    }

    fn options(&mut self, socket: &Socket<Self>) -> Outcome<Options> {
        match socket {
            Socket::Datagrams(socket) if socket.local_addr()?.is_ipv6() => {
                Ok(Options::from([("IPV6_V6ONLY", socket.only_v6()?.into())]))
            }
            _ => unsupported("mio::net reads only IPV6_V6ONLY of an IPv6 UdpSocket"),
        }
    }
}
