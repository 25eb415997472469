//! The control bits of a segment, as a set that prints like a capture: `A`, `SA`, `PA`, `RA`.
//!
//! Only the six bits of RFC 793 are kept. The congestion bits say nothing about the life of a connection, and
//! a kernel that negotiates them on its own would change every snapshot.

use std::fmt;
use std::ops::BitOr;

use etherparse::{PacketBuilderStep, TcpHeader, TcpSlice};

/// A set of control bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

/// Each bit with its letter, in the order they are printed.
const LETTERS: [(Flags, char); 6] = [
    (Flags::SYN, 'S'),
    (Flags::FIN, 'F'),
    (Flags::RST, 'R'),
    (Flags::PSH, 'P'),
    (Flags::ACK, 'A'),
    (Flags::URG, 'U'),
];

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// The connection is gone.
    pub const RST: Self = Self(0x04);
    /// Deliver now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// Urgent data.
    pub const URG: Self = Self(0x20);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn of(tcp: &TcpSlice<'_>) -> Self {
        let bits = [
            (tcp.fin(), Self::FIN),
            (tcp.syn(), Self::SYN),
            (tcp.rst(), Self::RST),
            (tcp.psh(), Self::PSH),
            (tcp.ack(), Self::ACK),
            (tcp.urg(), Self::URG),
        ];
        bits.into_iter()
            .filter(|(set, _)| *set)
            .fold(Self::default(), |flags, (_, flag)| flags | flag)
    }

    pub(super) fn put(self, tcp: PacketBuilderStep<TcpHeader>, ack: u32) -> PacketBuilderStep<TcpHeader> {
        let tcp = if self.contains(Self::FIN) { tcp.fin() } else { tcp };
        let tcp = if self.contains(Self::SYN) { tcp.syn() } else { tcp };
        let tcp = if self.contains(Self::RST) { tcp.rst() } else { tcp };
        let tcp = if self.contains(Self::PSH) { tcp.psh() } else { tcp };
        let tcp = if self.contains(Self::ACK) {
            tcp.ack(ack)
        } else {
            tcp
        };
        if self.contains(Self::URG) { tcp.urg(0) } else { tcp }
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: String = LETTERS
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, letter)| letter)
            .collect();
        f.pad(if letters.is_empty() { "-" } else { &letters })
    }
}
