//! The host at the other end of the wire: its connections and its behaviour.
//!
//! [`Peer`] is a state machine without clock and I/O: it maps received segments to segments to send. It accepts
//! connections on every address that is not the kernel's and on every port, so a scenario needs no set-up. To refuse
//! a connection, a scenario uses [`Behaviour::Rebooted`].

use super::connection::{Connection, Receive, reset};
use super::recording::Pair;
use super::{Flags, Segment};

/// How the host reacts to segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Accepts connections; acknowledges data, probes and FIN.
    #[default]
    Answering,
    /// Sends nothing and ignores all segments, as if the cable were cut.
    Silent,
    /// Has lost all connections and answers every segment with RST.
    Rebooted,
    /// Sends FIN on every open connection at once, then answers.
    Closing,
    /// Answers, except for the keepalive probes whose entry in the pattern is false. The pattern repeats. An empty
    /// pattern answers no probe.
    AnsweringSome(Vec<bool>),
    /// Answers probes, but ignores segments with data or FIN.
    HoldingData,
    /// Closes its window at once and keeps it closed; acknowledges only data received before.
    WindowShut,
    /// Ignores all segments, and a router answers each one with [`unreachable`](super::unreachable()).
    Unreachable,
}

/// A host with all its connections.
#[derive(Debug)]
pub struct Peer {
    behaviour: Behaviour,
    /// Initial sequence number of the next connection.
    next_iss: u32,
    connections: Vec<Connection>,
    /// Probes since the last change of behaviour: the index into the pattern of [`Behaviour::AnsweringSome`].
    probes: usize,
}

impl Peer {
    /// Creates a host without connections. `first_iss` is the initial sequence number of its first connection; that
    /// of each further one is 2^20 higher.
    #[must_use]
    pub fn new(behaviour: Behaviour, first_iss: u32) -> Self {
        Self {
            behaviour,
            next_iss: first_iss,
            connections: Vec::new(),
            probes: 0,
        }
    }

    /// Changes the behaviour and returns the segments that the change itself sends.
    pub fn behave(&mut self, behaviour: Behaviour) -> Vec<Segment> {
        let had_window = self.behaviour != Behaviour::WindowShut;
        self.behaviour = behaviour;
        self.probes = 0;
        match self.behaviour {
            Behaviour::Silent | Behaviour::Unreachable => Vec::new(),
            Behaviour::Rebooted => {
                self.connections.clear();
                Vec::new()
            }
            Behaviour::Closing => self.each_open(Connection::fin),
            Behaviour::WindowShut => self.each_open(|connection| connection.window(false)),
            _ if had_window => Vec::new(),
            _ => self.each_open(|connection| connection.window(true)),
        }
    }

    /// Opens a connection to the kernel and returns its SYN.
    #[must_use]
    pub fn connect(&mut self, pair: Pair) -> Segment {
        let iss = self.take_iss();
        let (connection, syn) = Connection::connect(pair, iss);
        self.connections.push(connection);
        syn
    }

    /// Returns segments with data for every open connection, regardless of the behaviour.
    #[must_use]
    pub fn send(&mut self, payload: &[u8]) -> Vec<Segment> {
        self.each_open(|connection| connection.data(payload))
    }

    /// Forgets all connections and returns an RST for each, so that the kernel forgets them too.
    #[must_use]
    pub fn reset_all(&mut self) -> Vec<Segment> {
        let connections = self.connections.drain(..);
        connections.map(|connection| connection.rst()).collect()
    }

    /// Whether the handshake of the pair is complete and the peer has not closed the connection.
    #[must_use]
    pub fn is_open(&self, pair: Pair) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.pair == pair && connection.is_open())
    }

    /// Whether a router answers instead of the host.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.behaviour == Behaviour::Unreachable
    }

    /// Processes a segment of the kernel and returns the replies, in order.
    pub fn receive(&mut self, segment: &Segment) -> Vec<Segment> {
        if matches!(self.behaviour, Behaviour::Silent | Behaviour::Unreachable) {
            return Vec::new();
        }
        let pair = Pair {
            peer: segment.destination,
            kernel: segment.source,
        };
        if segment.flags.contains(Flags::RST) {
            self.connections.retain(|connection| connection.pair != pair);
            return Vec::new();
        }
        if segment.flags.contains(Flags::SYN) {
            self.connections
                .retain(|connection| connection.pair != pair || !connection.is_over());
        }
        match self
            .connections
            .iter()
            .position(|connection| connection.pair == pair)
        {
            Some(found) => self.reply(found, segment).into_iter().collect(),
            None if self.behaviour != Behaviour::Rebooted && segment.flags == Flags::SYN => {
                let iss = self.take_iss();
                let (connection, syn_ack) = Connection::accept(pair, iss, segment);
                self.connections.push(connection);
                vec![syn_ack]
            }
            None => vec![reset(segment)],
        }
    }

    fn reply(&mut self, found: usize, segment: &Segment) -> Option<Segment> {
        let connection = &mut self.connections[found];
        if let Behaviour::AnsweringSome(pattern) = &self.behaviour
            && connection.is_probe(segment)
        {
            let answers = !pattern.is_empty() && pattern[self.probes % pattern.len()];
            self.probes += 1;
            if !answers {
                return None;
            }
        }
        let policy = match self.behaviour {
            Behaviour::HoldingData => Receive::ControlOnly,
            Behaviour::WindowShut => Receive::WindowClosed,
            _ => Receive::All,
        };
        connection.receive(segment, policy)
    }

    fn each_open(&mut self, mut segment_of: impl FnMut(&mut Connection) -> Segment) -> Vec<Segment> {
        self.connections
            .iter_mut()
            .filter(|connection| connection.is_open())
            .map(&mut segment_of)
            .collect()
    }

    fn take_iss(&mut self) -> u32 {
        /// More octets than any case sends on one connection.
        const STEP: u32 = 1 << 20;
        let iss = self.next_iss;
        self.next_iss = iss.wrapping_add(STEP);
        iss
    }
}
