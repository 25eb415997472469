//! The control bits of a segment, as a set that prints like a capture: `A`, `SA`, `PA`, `RA`.
//!
//! Only the six bits of RFC 793 are kept. The congestion bits do not affect the life of a connection, and a kernel
//! that negotiates them by default would change every snapshot.

use std::fmt;

use bitflags::bitflags;
use etherparse::{PacketBuilderStep, TcpHeader, TcpSlice};

bitflags! {
    /// A set of control bits, as in octet 13 of the TCP header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Flags: u8 {
        /// The sender has no more data.
        const FIN = 0x01;
        /// Opens a connection.
        const SYN = 0x02;
        /// Aborts the connection.
        const RST = 0x04;
        /// Asks the receiver to deliver the data at once.
        const PSH = 0x08;
        /// The acknowledgement number is valid.
        const ACK = 0x10;
        /// The segment has urgent data.
        const URG = 0x20;
    }
}

/// The letter of each bit, in the order of printing.
const LETTERS: [(Flags, char); 6] = [
    (Flags::SYN, 'S'),
    (Flags::FIN, 'F'),
    (Flags::RST, 'R'),
    (Flags::PSH, 'P'),
    (Flags::ACK, 'A'),
    (Flags::URG, 'U'),
];

impl Flags {
    pub(super) fn of(tcp: &TcpSlice<'_>) -> Self {
        Self::from_bits_truncate(tcp.header_slice()[13])
    }

    /// Sets the bits in a header; `ack` is the acknowledgement number.
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
