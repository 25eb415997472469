//! One connection as the peer sees it: what it has sent, what it expects, what it replies.
//!
//! `peer` decides whether a segment is looked at and answered at all. Nothing is ever sent twice on the
//! peer's own account: a veth pair and a tun device lose nothing, and a retransmission would be activity the
//! scenario did not ask for. The price is that a segment the kernel drops is a connection that hangs.

use super::recording::Pair;
use super::{Flags, Segment, relative};

/// What the peer offers in its SYN: an Ethernet frame of IPv6.
const MSS: u16 = 1440;
/// Octets the peer is always willing to take.
const WINDOW: u16 = u16::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SynSent,
    SynReceived,
    Open,
}

/// How much of an arriving segment the peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// Takes data and FIN and acknowledges them.
    All,
    /// Acts as if segments with data or FIN were lost.
    Nothing,
    /// Has no room: acknowledges, with a window of 0, only what it had.
    Shut,
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

    /// The connection has its handshake behind it and has not been closed by the peer.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open && !self.fin_sent
    }

    /// Both sides have closed: a new SYN may take the pair over.
    pub(super) fn is_over(&self) -> bool {
        self.fin_sent && self.fin_received
    }

    /// A segment with nothing but an ACK of what the kernel has sent and seen acknowledged already.
    pub(super) fn is_probe(&self, segment: &Segment) -> bool {
        segment.flags == Flags::ACK && segment.payload.is_empty() && relative(segment.seq, self.rcv_nxt) == -1
    }

    pub(super) fn receive(&mut self, segment: &Segment, intake: Intake) -> Option<Segment> {
        match self.phase {
            Phase::SynSent => self.receive_syn_ack(segment),
            Phase::SynReceived if segment.flags.contains(Flags::SYN) => {
                let mut again = self.syn_ack();
                again.seq = self.snd_nxt.wrapping_sub(1);
                Some(again)
            }
            Phase::SynReceived | Phase::Open => {
                self.phase = Phase::Open;
                self.receive_open(segment, intake)
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

    fn receive_open(&mut self, segment: &Segment, intake: Intake) -> Option<Segment> {
        let window = if intake == Intake::Shut { 0 } else { WINDOW };
        if segment.span() == 0 {
            // In order it only tells us something; out of order it asks where we are (RFC 9293 §3.10.7.4).
            return (segment.seq != self.rcv_nxt).then(|| self.ack(window));
        }
        match intake {
            Intake::Nothing => return None,
            Intake::All if !segment.flags.contains(Flags::SYN) => self.take(segment),
            // No room, or a SYN in an open connection: say again where we are (RFC 9293 §3.10.7.4).
            Intake::Shut | Intake::All => {}
        }
        Some(self.ack(window))
    }

    /// Takes what is new in the segment, unless it leaves a gap.
    fn take(&mut self, segment: &Segment) {
        let starts_in_time = relative(segment.seq, self.rcv_nxt) <= 0;
        if starts_in_time && relative(segment.end(), self.rcv_nxt) > 0 {
            self.rcv_nxt = segment.end();
            self.fin_received |= segment.flags.contains(Flags::FIN);
        }
    }

    /// Data of the peer's own.
    pub(super) fn data(&mut self, payload: &[u8]) -> Segment {
        let segment = Segment {
            payload: payload.to_vec(),
            ..self.segment(Flags::PSH | Flags::ACK, WINDOW)
        };
        self.snd_nxt = segment.end();
        segment
    }

    /// The end of the peer's data.
    pub(super) fn fin(&mut self) -> Segment {
        let segment = self.segment(Flags::FIN | Flags::ACK, WINDOW);
        self.snd_nxt = segment.end();
        self.fin_sent = true;
        segment
    }

    /// What the peer last said, said again with a window of its choice.
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

/// The RST a host sends that knows nothing of the connection (RFC 9293 §3.10.7.1).
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
