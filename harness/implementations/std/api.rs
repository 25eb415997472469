//! What an API can do with sockets.
//!
//! Each function is one call of the API, with its defaults. It answers `unsupported` where the API has no such call.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::answer::Outcome;

/// A new socket and its local address.
pub(crate) type Opened<T> = (T, SocketAddr);

/// Values of options by their names in the manual pages.
pub(crate) type Options = BTreeMap<&'static str, i64>;

/// A socket of an API.
pub(crate) enum Socket<A: Api> {
    Listener(A::Listener),
    Connection(A::Connection),
    Datagrams(A::Datagrams),
}

/// What a request asks of keepalive. What is absent is not set.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
}

/// An API for sockets.
pub(crate) trait Api: Sized {
    /// The name that `hello` answers.
    const NAME: &'static str;

    type Listener;
    type Connection;
    type Datagrams;

    fn listen(&mut self, at: SocketAddr, balanced: bool) -> Outcome<Opened<Self::Listener>>;

    fn bind_udp(&mut self, at: SocketAddr) -> Outcome<Opened<Self::Datagrams>>;

    fn join(&mut self, socket: &Self::Datagrams, group: IpAddr) -> io::Result<()>;

    fn dial(&mut self, to: SocketAddr) -> Outcome<Opened<Self::Connection>>;

    fn accept(&mut self, listener: &Self::Listener, within: Duration) -> Outcome<Opened<Self::Connection>>;

    fn send(&mut self, connection: &mut Self::Connection, bytes: &[u8]) -> Outcome<()>;

    /// Receives once; 0 is the end.
    fn receive(
        &mut self,
        connection: &mut Self::Connection,
        bytes: &mut [u8],
        within: Duration,
    ) -> Outcome<usize>;

    /// Sends a datagram; to the connected address if `to` is absent.
    fn send_datagram(
        &mut self,
        socket: &Self::Datagrams,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Outcome<()>;

    fn receive_datagram(
        &mut self,
        socket: &Self::Datagrams,
        bytes: &mut [u8],
        within: Duration,
    ) -> Outcome<usize>;

    /// Switches keepalive on; with `None`, off.
    fn keepalive(&mut self, socket: &Socket<Self>, schedule: Option<Schedule>) -> Outcome<()>;

    /// Reads those options that the API can read.
    fn options(&mut self, socket: &Socket<Self>) -> Outcome<Options>;
}
