//! Where the two ends of a wire are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of the two ends, one pair a family, in networks set aside for tests (RFC 2544, RFC 3849).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    number: u8,
}

impl Addresses {
    /// The addresses of wire number `number`, where several share one network stack.
    #[must_use]
    pub fn of_wire(number: u8) -> Self {
        Self { number }
    }

    /// The kernel's address in the family of which `like` is.
    #[must_use]
    pub fn kernel(self, like: IpAddr) -> IpAddr {
        self.host(like.is_ipv6(), 1)
    }

    /// The peer's address in the family of which `like` is.
    #[must_use]
    pub fn peer(self, like: IpAddr) -> IpAddr {
        self.host(like.is_ipv6(), 2)
    }

    /// The host of this number in a family.
    pub(super) fn host(self, ipv6: bool, host: u8) -> IpAddr {
        if ipv6 {
            Ipv6Addr::new(0x2001, 0xdb8, self.number.into(), 0, 0, 0, 0, host.into()).into()
        } else {
            Ipv4Addr::new(198, 18, self.number, host).into()
        }
    }
}
