//! Sockets with `std::net`.
//!
//! Timeouts are not std's: a call that may block is made when the socket is readable.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::answer::{Outcome, unsupported};
use crate::api::{Api, Opened, Options, Schedule, Socket};
use crate::ready::readable;

pub(crate) struct Std;

impl Api for Std {
    const NAME: &'static str = "std";

    type Listener = TcpListener;
    type Connection = TcpStream;
    type Datagrams = UdpSocket;

    fn listen(&mut self, at: SocketAddr, balanced: bool) -> Outcome<Opened<TcpListener>> {
        if balanced {
            return unsupported("std::net::TcpListener has no option for a shared port");
        }
        let listener = TcpListener::bind(at)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    }

    fn bind_udp(&mut self, at: SocketAddr) -> Outcome<Opened<UdpSocket>> {
        let socket = UdpSocket::bind(at)?;
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
        let connection = TcpStream::connect(to)?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn accept(&mut self, listener: &TcpListener, within: Duration) -> Outcome<Opened<TcpStream>> {
        readable(listener, within)?;
        let (connection, _) = listener.accept()?;
        let local = connection.local_addr()?;
        Ok((connection, local))
    }

    fn send(&mut self, connection: &mut TcpStream, bytes: &[u8]) -> Outcome<()> {
        Ok(connection.write_all(bytes)?)
    }

    fn receive(&mut self, connection: &mut TcpStream, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        readable(connection, within)?;
        Ok(connection.read(bytes)?)
    }

    fn send_datagram(&mut self, socket: &UdpSocket, bytes: &[u8], to: Option<SocketAddr>) -> Outcome<()> {
        match to {
            Some(to) => socket.send_to(bytes, to)?,
            None => socket.send(bytes)?,
        };
        Ok(())
    }

    fn receive_datagram(&mut self, socket: &UdpSocket, bytes: &mut [u8], within: Duration) -> Outcome<usize> {
        readable(socket, within)?;
        Ok(socket.recv(bytes)?)
    }

    fn keepalive(&mut self, _: &Socket<Self>, _: Option<Schedule>) -> Outcome<()> {
        unsupported("std::net has no keepalive (doc.rust-lang.org/std/net/struct.TcpStream.html)")
    }

    fn options(&mut self, _: &Socket<Self>) -> Outcome<Options> {
        unsupported("std::net has no function that reads such an option")
    }
}
