//! A datagram that follows what the kernel has sent, so that it can be told that all of it has come in.
//!
//! It is sent by the kernel's end to the peer's discard port and takes the same way as everything else. Nobody answers.
//! Segments of TCP that another processor sends at the same moment may be overtaken; those of a case come from the
//! thread that asks, or from a timer that has gone off before.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Addresses;

/// Discard (RFC 863).
const PORT: u16 = 9;
/// What no other datagram of a case has at its end but for the number.
const WORDS: &[u8] = b"reusespec: all before this has been sent";
/// Place of the protocol in an IPv4 header, and UDP's number.
const PROTOCOL: (usize, u8) = (9, 17);

/// Sends markers.
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

    /// Sends the next one and gives its number.
    pub(super) fn send(&self) -> io::Result<u64> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        self.socket.send(&[WORDS, &number.to_be_bytes()].concat())?;
        Ok(number)
    }
}

/// The number of a marker; `None` for any other datagram.
pub(super) fn number(datagram: &[u8]) -> Option<u64> {
    let (place, udp) = PROTOCOL;
    let (before, number) = datagram.split_last_chunk()?;
    (before.ends_with(WORDS) && before.get(place) == Some(&udp)).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_markers_datagram_has_a_number() {
        let datagram = |protocol, words: &[u8]| {
            let mut header = [0; 28];
            header[PROTOCOL.0] = protocol;
            [&header, words, &7_u64.to_be_bytes()].concat()
        };
        assert_eq!(number(&datagram(17, WORDS)), Some(7));
        assert_eq!(number(&datagram(6, WORDS)), None);
        assert_eq!(number(&datagram(17, b"something else")), None);
        assert_eq!(number(&[]), None);
    }
}
