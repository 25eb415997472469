//! Marker datagrams: when a marker arrives at the peer, everything the kernel sent before it has arrived too.
//!
//! A marker goes from the kernel's end to the peer's discard port, through the same queues as TCP segments. The peer
//! does not answer it. A marker may overtake segments that another processor sends at the same moment. That does not
//! matter here: the segments of a case come from the thread that sends the marker, or from a timer that has fired
//! earlier.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Addresses;

/// Discard (RFC 863).
const PORT: u16 = 9;
/// The payload before the number. No other datagram of a case ends like this.
const TEXT: &[u8] = b"reusespec: all before this has been sent";
/// The offset of the protocol field in an IPv4 header, and its value for UDP.
const PROTOCOL: (usize, u8) = (9, 17);

/// Sends markers from the kernel's end of a wire.
#[derive(Debug)]
pub(super) struct Marker {
    socket: UdpSocket,
    sent: AtomicU64,
}

impl Marker {
    pub(super) fn on(addresses: Addresses) -> io::Result<Self> {
        let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let socket = UdpSocket::bind(SocketAddr::new(addresses.kernel(v4), 0))?;
        socket.connect(SocketAddr::new(addresses.peer(v4), PORT))?;
        Ok(Self {
            socket,
            sent: AtomicU64::new(0),
        })
    }

    /// Sends the next marker and returns its number.
    pub(super) fn send(&self) -> io::Result<u64> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        self.socket.send(&[TEXT, &number.to_be_bytes()].concat())?;
        Ok(number)
    }
}

/// The number of a marker, or `None` for any other datagram.
pub(super) fn number(datagram: &[u8]) -> Option<u64> {
    let (offset, udp) = PROTOCOL;
    let (before, number) = datagram.split_last_chunk()?;
    (before.ends_with(TEXT) && before.get(offset) == Some(&udp)).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marker_has_a_number() {
        let datagram = |protocol, text: &[u8]| {
            let mut header = [0; 28];
            header[PROTOCOL.0] = protocol;
            [&header, text, &7_u64.to_be_bytes()].concat()
        };
        assert_eq!(number(&datagram(17, TEXT)), Some(7));
        assert_eq!(number(&datagram(6, TEXT)), None);
        assert_eq!(number(&datagram(17, b"something else")), None);
        assert_eq!(number(&[]), None);
    }
}
