//! One TCP connection of the peer: its sequence numbers and its replies.
//!
//! `peer` decides whether the connection receives a segment at all. The peer never retransmits: veth pairs and tun
//! devices lose nothing, and a retransmission would be activity that the scenario did not ask for. If the kernel
//! drops a segment nevertheless, the connection hangs.

use super::recording::Pair;
use super::{Flags, Segment, relative};

/// Maximum segment size in the peer's SYN: an Ethernet frame without the IPv6 and TCP headers.
const MSS: u16 = 1440;
/// The peer's receive window in octets while it is open.
const WINDOW: u16 = u16::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SynSent,
    SynReceived,
    Open,
}

/// Which segments the peer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receive {
    /// Accepts and acknowledges data and FIN.
    All,
    /// Ignores segments with data or FIN.
    ControlOnly,
    /// Acknowledges with a window of 0 only what it received before.
    WindowClosed,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) pair: Pair,
    phase: Phase,
    /// Next sequence number the peer sends (SND.NXT).
    snd_nxt: u32,
    /// Next sequence number the peer expects (RCV.NXT).
    rcv_nxt: u32,
    fin_sent: bool,
    fin_received: bool,
}

impl Connection {
    pub(super) fn connect(pair: Pair, iss: u32) -> (Self, Segment) {
        let (connection, mut syn) = Self::begin(pair, Phase::SynSent, iss, 0);
        syn.flags = Flags::SYN;
        (connection, syn)
    }

    pub(super) fn accept(pair: Pair, iss: u32, syn: &Segment) -> (Self, Segment) {
        Self::begin(pair, Phase::SynReceived, iss, syn.end())
    }

    fn begin(pair: Pair, phase: Phase, iss: u32, rcv_nxt: u32) -> (Self, Segment) {
        let mut connection = Self {
            pair,
            phase,
            snd_nxt: iss,
            rcv_nxt,
            fin_sent: false,
            fin_received: false,
        };
        let segment = connection.syn_ack();
        connection.snd_nxt = segment.end();
        (connection, segment)
    }

    /// Whether the handshake is complete and the peer has not closed the connection.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open && !self.fin_sent
    }

    /// Whether both sides have closed, so that a new SYN may reuse the pair.
    pub(super) fn is_over(&self) -> bool {
        self.fin_sent && self.fin_received
    }

    /// Whether the segment is a keepalive probe: an ACK without data, one octet before the expected sequence number.
    pub(super) fn is_probe(&self, segment: &Segment) -> bool {
        segment.flags == Flags::ACK && segment.payload.is_empty() && relative(segment.seq, self.rcv_nxt) == -1
    }

    pub(super) fn receive(&mut self, segment: &Segment, policy: Receive) -> Option<Segment> {
        match self.phase {
            Phase::SynSent => self.receive_syn_ack(segment),
            Phase::SynReceived if segment.flags.contains(Flags::SYN) => {
                let mut again = self.syn_ack();
                again.seq = self.snd_nxt.wrapping_sub(1);
                Some(again)
            }
            Phase::SynReceived | Phase::Open => {
                self.phase = Phase::Open;
                self.receive_open(segment, policy)
            }
        }
    }

    fn receive_syn_ack(&mut self, segment: &Segment) -> Option<Segment> {
        if !segment.flags.contains(Flags::SYN | Flags::ACK) || segment.ack != self.snd_nxt {
            return None;
        }
        self.rcv_nxt = segment.end();
        self.phase = Phase::Open;
        Some(self.ack(WINDOW))
    }

    fn receive_open(&mut self, segment: &Segment, policy: Receive) -> Option<Segment> {
        let window = if policy == Receive::WindowClosed {
            0
        } else {
            WINDOW
        };
        if segment.span() == 0 {
            // An ACK in order needs no reply; one out of order gets the current numbers (RFC 9293 §3.10.7.4).
            return (segment.seq != self.rcv_nxt).then(|| self.ack(window));
        }
        match policy {
            Receive::ControlOnly => return None,
            Receive::All if !segment.flags.contains(Flags::SYN) => self.accept_data(segment),
            // A closed window, or a SYN in an open connection: repeat the current numbers (RFC 9293 §3.10.7.4).
            Receive::WindowClosed | Receive::All => {}
        }
        Some(self.ack(window))
    }

    /// Accepts the new part of the segment, unless there is a gap before it.
    fn accept_data(&mut self, segment: &Segment) {
        let is_contiguous = relative(segment.seq, self.rcv_nxt) <= 0;
        if is_contiguous && relative(segment.end(), self.rcv_nxt) > 0 {
            self.rcv_nxt = segment.end();
            self.fin_received |= segment.flags.contains(Flags::FIN);
        }
    }

    /// Sends data.
    pub(super) fn data(&mut self, payload: &[u8]) -> Segment {
        let segment = Segment {
            payload: payload.to_vec(),
            ..self.segment(Flags::PSH | Flags::ACK, WINDOW)
        };
        self.snd_nxt = segment.end();
        segment
    }

    /// Closes the peer's side.
    pub(super) fn fin(&mut self) -> Segment {
        let segment = self.segment(Flags::FIN | Flags::ACK, WINDOW);
        self.snd_nxt = segment.end();
        self.fin_sent = true;
        segment
    }

    /// Ends the connection at once.
    pub(super) fn rst(&self) -> Segment {
        self.segment(Flags::RST | Flags::ACK, 0)
    }

    /// Repeats the last acknowledgement with an open or a closed window.
    pub(super) fn window(&self, open: bool) -> Segment {
        self.ack(if open { WINDOW } else { 0 })
    }

    fn ack(&self, window: u16) -> Segment {
        self.segment(Flags::ACK, window)
    }

    fn syn_ack(&self) -> Segment {
        Segment {
            mss: Some(MSS),
            ..self.segment(Flags::SYN | Flags::ACK, WINDOW)
        }
    }

    fn segment(&self, flags: Flags, window: u16) -> Segment {
        Segment {
            source: self.pair.peer,
            destination: self.pair.kernel,
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags,
            window,
            mss: None,
            payload: Vec::new(),
        }
    }
}

/// The RST of a host that has no such connection (RFC 9293 §3.10.7.1).
pub(super) fn reset(to: &Segment) -> Segment {
    let has_ack = to.flags.contains(Flags::ACK);
    Segment {
        source: to.destination,
        destination: to.source,
        seq: if has_ack { to.ack } else { 0 },
        ack: if has_ack { 0 } else { to.end() },
        flags: if has_ack {
            Flags::RST
        } else {
            Flags::RST | Flags::ACK
        },
        window: 0,
        mss: None,
        payload: Vec::new(),
    }
}
