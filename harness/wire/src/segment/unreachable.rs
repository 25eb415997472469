//! The ICMP message of a router about a segment that it cannot deliver.
//!
//! RFC 9293 §3.9.2.2 calls it a soft error, which must not end the connection. A router has no connections, so the
//! message depends on the datagram alone.

use std::net::IpAddr;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Type, Icmpv6Type, IpSlice, PacketBuilder};

const HOPS: u8 = 64;
/// With its headers the message fits the minimum MTU of 1280 octets (RFC 4443 §2.4 (c)).
const MOST_QUOTED: usize = 1280 - 48;

/// ICMP "host unreachable" or ICMPv6 "address unreachable" about a datagram, sent from the datagram's destination;
/// `None` if the bytes are not an IP datagram.
#[must_use]
pub fn unreachable(datagram: &[u8]) -> Option<Vec<u8>> {
    let ip = IpSlice::from_slice(datagram).ok()?;
    let quoted = &datagram[..datagram.len().min(MOST_QUOTED)];
    let mut message = Vec::new();
    match (ip.destination_addr(), ip.source_addr()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), HOPS)
            .icmpv4(Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host))
            .write(&mut message, quoted),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), HOPS)
            .icmpv6(Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Address))
            .write(&mut message, quoted),
        _ => return None,
    }
    .ok()?;
    Some(message)
}
