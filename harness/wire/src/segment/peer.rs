//! The host at the other end of the wire: whom it talks to, and how it behaves.
//!
//! A state machine without clock and without I/O: segments in, segments out. It owns every address that is
//! not the kernel's and listens on every port, so a scenario needs no set-up to be accepted; the price is that
//! a refused connection has to be asked for with [`Behaviour::Rebooted`].

use super::connection::{Connection, Intake, reset};
use super::recording::Pair;
use super::{Flags, Segment};

/// How the host treats what it receives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Accepts connections; acknowledges data, probes and FIN.
    #[default]
    Answering,
    /// Sends nothing and takes nothing, as if the cable were cut.
    Silent,
    /// Has forgotten every connection: an RST to anything.
    Rebooted,
    /// Closes its side of every open connection at once, then answers.
    Closing,
    /// Answers, but of the keepalive probes only those the pattern says; it starts over at its end.
    /// An empty pattern answers none.
    AnsweringSome(Vec<bool>),
    /// Answers probes, but acts as if segments with data or FIN were lost.
    HoldingData,
    /// Closes its window at once and keeps it closed; acknowledges only what it had.
    WindowShut,
    /// Is gone, and a router on the way says so of every segment ([`unreachable`](super::unreachable())).
    Unreachable,
}

/// A host with all its connections.
#[derive(Debug)]
pub struct Peer {
    behaviour: Behaviour,
    /// Initial sequence number of the next connection.
    next_iss: u32,
    connections: Vec<Connection>,
    /// Probes seen since the behaviour was chosen; the place in an [`Behaviour::AnsweringSome`] pattern.
    probes: usize,
}

impl Peer {
    /// A host without connections. `first_iss` is the initial sequence number of its first one; each further
    /// one starts 2^20 later.
    #[must_use]
    pub fn new(behaviour: Behaviour, first_iss: u32) -> Self {
        Self {
            behaviour,
            next_iss: first_iss,
            connections: Vec::new(),
            probes: 0,
        }
    }

    /// Changes the behaviour; the segments are what the change itself sends.
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

    /// Opens a connection to the kernel; the segment is its SYN.
    #[must_use]
    pub fn connect(&mut self, pair: Pair) -> Segment {
        let iss = self.take_iss();
        let (connection, syn) = Connection::connect(pair, iss);
        self.connections.push(connection);
        syn
    }

    /// Sends data on every open connection, whatever the behaviour.
    #[must_use]
    pub fn send(&mut self, payload: &[u8]) -> Vec<Segment> {
        self.each_open(|connection| connection.data(payload))
    }

    /// Whether the pair's handshake is complete and the peer has not closed it.
    #[must_use]
    pub fn is_open(&self, pair: Pair) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.pair == pair && connection.is_open())
    }

    /// Whether a router answers in the host's place.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.behaviour == Behaviour::Unreachable
    }

    /// Takes a segment from the kernel and gives the replies to it, in order.
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
        let intake = match self.behaviour {
            Behaviour::HoldingData => Intake::Nothing,
            Behaviour::WindowShut => Intake::Shut,
            _ => Intake::All,
        };
        connection.receive(segment, intake)
    }

    fn each_open(&mut self, mut say: impl FnMut(&mut Connection) -> Segment) -> Vec<Segment> {
        self.connections
            .iter_mut()
            .filter(|connection| connection.is_open())
            .map(&mut say)
            .collect()
    }

    fn take_iss(&mut self) -> u32 {
        /// More than any case sends on one connection.
        const STEP: u32 = 1 << 20;
        let iss = self.next_iss;
        self.next_iss = iss.wrapping_add(STEP);
        iss
    }
}
