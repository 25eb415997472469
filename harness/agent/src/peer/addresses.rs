//! The IP addresses of the two ends of a wire.
//!
//! They come from networks that are reserved for tests, so they cannot collide with addresses of the machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of both ends of one wire: a pair for each address family, from 198.18.0.0/15 (RFC 2544) and
/// 2001:db8::/32 (RFC 3849).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    number: u8,
}

impl Addresses {
    /// The addresses of wire `number`. Wires in one network stack have different numbers.
    #[must_use]
    pub fn of_wire(number: u8) -> Self {
        Self { number }
    }

    /// The kernel's address, of the same family as `like`.
    #[must_use]
    pub fn kernel(self, like: IpAddr) -> IpAddr {
        self.host(like.is_ipv6(), 1)
    }

    /// The peer's address, of the same family as `like`.
    #[must_use]
    pub fn peer(self, like: IpAddr) -> IpAddr {
        self.host(like.is_ipv6(), 2)
    }

    /// The address with number `host` in the wire's network.
    pub(super) fn host(self, ipv6: bool, host: u8) -> IpAddr {
        if ipv6 {
            Ipv6Addr::new(0x2001, 0xdb8, self.number.into(), 0, 0, 0, 0, host.into()).into()
        } else {
            Ipv4Addr::new(198, 18, self.number, host).into()
        }
    }
}
