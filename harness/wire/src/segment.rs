//! TCP segments in IPv4 and IPv6 datagrams, and a TCP peer in user space.
//!
//! [`Segment`] is one parsed datagram. [`Peer`] is a host that answers segments according to its [`Behaviour`].
//! [`Recording`] lists the segments on the wire, with sequence numbers relative to each connection. The agent moves
//! the bytes.
//!
//! etherparse reads and writes the headers. A `Segment` keeps only the fields that keepalive scenarios need, not
//! window scale, timestamps or IP options. Parsing and emitting therefore does not restore the same bytes, so a
//! recording also keeps the datagram.

mod connection;
mod flags;
pub mod pcapng;
mod peer;
mod recording;
mod unreachable;

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, IpSlice, PacketBuilder, TcpOptionElement, TcpSlice};

pub use flags::Flags;
pub use peer::{Behaviour, Peer};
pub use recording::{Direction, Pair, Recorded, Recorder, Recording};
pub use unreachable::unreachable;

/// One TCP segment, with the addresses of the datagram it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Address and port of the sender.
    pub source: SocketAddr,
    /// Address and port of the receiver, of the same family as `source`.
    pub destination: SocketAddr,
    /// Sequence number of the first octet, or of the SYN.
    pub seq: u32,
    /// Acknowledgement number; 0 unless `flags` has ACK.
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Receive window in octets, as in the header, without scaling.
    pub window: u16,
    /// Largest segment that the sender accepts, in octets; only in segments with SYN.
    pub mss: Option<u16>,
    /// The data.
    pub payload: Vec<u8>,
}

/// Why bytes are not a TCP segment, or why a segment cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The IP header is truncated or inconsistent.
    #[error("not an IP datagram")]
    Ip(#[source] etherparse::err::ip::SliceError),
    /// The datagram carries another protocol, given by its IANA number.
    #[error("IP protocol {0} instead of TCP")]
    NotTcp(u8),
    /// The datagram is a fragment; this module does not reassemble.
    #[error("a fragment of a datagram")]
    Fragment,
    /// The TCP header is truncated or inconsistent.
    #[error("not a TCP header")]
    Tcp(#[source] etherparse::err::tcp::HeaderSliceError),
    /// The checksum is wrong.
    #[error("TCP checksum {found:#06x} instead of {computed:#06x}")]
    Checksum {
        /// The checksum in the header.
        found: u16,
        /// The checksum of the bytes.
        computed: u16,
    },
    /// Source and destination are of different families.
    #[error("source and destination are of different families")]
    MixedFamilies,
    /// The payload does not fit a datagram.
    #[error("{0} octets of payload do not fit a datagram")]
    TooLong(usize),
}

impl Segment {
    /// Parses one IP datagram. Ignores octets beyond the length in the IP header.
    ///
    /// # Errors
    /// Fails unless the datagram is a complete, unfragmented TCP segment with a correct checksum.
    pub fn parse(datagram: &[u8]) -> Result<Self, SegmentError> {
        let ip = IpSlice::from_slice(datagram).map_err(SegmentError::Ip)?;
        if ip.is_fragmenting_payload() {
            return Err(SegmentError::Fragment);
        }
        if ip.payload_ip_number() != IpNumber::TCP {
            return Err(SegmentError::NotTcp(ip.payload_ip_number().0));
        }
        let tcp = TcpSlice::from_slice(ip.payload().payload).map_err(SegmentError::Tcp)?;
        let computed = checksum(&ip, &tcp);
        if computed != tcp.checksum() {
            return Err(SegmentError::Checksum {
                found: tcp.checksum(),
                computed,
            });
        }
        Ok(Self {
            source: SocketAddr::new(ip.source_addr(), tcp.source_port()),
            destination: SocketAddr::new(ip.destination_addr(), tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: if tcp.ack() { tcp.acknowledgment_number() } else { 0 },
            flags: Flags::of(&tcp),
            window: tcp.window_size(),
            mss: if tcp.syn() { mss(&tcp) } else { None },
            payload: tcp.payload().to_vec(),
        })
    }

    /// Writes the IP datagram with its checksums.
    ///
    /// # Errors
    /// [`SegmentError::MixedFamilies`] and [`SegmentError::TooLong`].
    pub fn emit(&self) -> Result<Vec<u8>, SegmentError> {
        /// The usual default; no case has a router between the hosts.
        const HOPS: u8 = 64;
        let ip = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), HOPS),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), HOPS),
            _ => return Err(SegmentError::MixedFamilies),
        };
        let tcp = ip.tcp(self.source.port(), self.destination.port(), self.seq, self.window);
        let tcp = self.flags.put(tcp, self.ack);
        let tcp = match self.mss {
            Some(mss) if self.flags.contains(Flags::SYN) => tcp
                .options(&[TcpOptionElement::MaximumSegmentSize(mss)])
                .expect("four octets fit the forty that options may have"),
            _ => tcp,
        };
        let mut datagram = Vec::with_capacity(tcp.size(self.payload.len()));
        tcp.write(&mut datagram, &self.payload)
            .map_err(|_| SegmentError::TooLong(self.payload.len()))?;
        Ok(datagram)
    }

    /// Length in sequence space: the data, plus one each for SYN and FIN (RFC 9293, SEG.LEN).
    #[must_use]
    pub fn span(&self) -> u32 {
        // An IP datagram holds less than 64 KiB, and `emit` refuses more.
        let data = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let controls = [Flags::SYN, Flags::FIN]
            .into_iter()
            .filter(|&flag| self.flags.contains(flag));
        data.wrapping_add(controls.map(|_| 1).sum())
    }

    /// The first sequence number after the segment.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.span())
    }
}

/// The distance from `base` to `number` in sequence space; negative if `number` is before `base` (RFC 9293 §3.4).
#[must_use]
pub(crate) fn relative(number: u32, base: u32) -> i32 {
    number.wrapping_sub(base).cast_signed()
}

fn mss(tcp: &TcpSlice<'_>) -> Option<u16> {
    // A malformed option ends the list, as in a kernel.
    tcp.options_iterator()
        .map_while(Result::ok)
        .find_map(|option| match option {
            TcpOptionElement::MaximumSegmentSize(mss) => Some(mss),
            _ => None,
        })
}

fn checksum(ip: &IpSlice<'_>, tcp: &TcpSlice<'_>) -> u16 {
    let sum = match ip {
        IpSlice::Ipv4(ip) => tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()),
        IpSlice::Ipv6(ip) => tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()),
    };
    sum.expect("the payload of a parsed datagram is shorter than a datagram")
}

#[cfg(test)]
mod tests;
