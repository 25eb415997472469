//! The segments on the wire, with sequence numbers relative to the first octet of each connection.
//!
//! A [`Recorder`] receives every segment that the peer processes or sends. Its [`Recording`] is ordered by time,
//! prints a timeline, and can be written as a capture (`pcapng`). The caller supplies the times.
//!
//! Whether a segment is a keepalive probe depends on what the peer had acknowledged before it. Each entry stores this
//! state (`una`, `next`), so that a claim about a probe need not replay the recording.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Flags, Segment, relative};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The address of the peer in user space.
    pub peer: SocketAddr,
    /// The address of the kernel under test.
    pub kernel: SocketAddr,
}

/// The sender of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the kernel under test to the peer; `>` in a timeline.
    FromKernel,
    /// From the peer to the kernel under test; `<` in a timeline.
    FromPeer,
}

/// One segment on the wire. Sequence numbers are relative to the first octet of data, so the SYN has -1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Time since the recording began.
    pub at: Duration,
    /// The sender.
    pub direction: Direction,
    /// The connection.
    pub pair: Pair,
    /// Sequence number, relative to the sender's first octet.
    pub seq: i32,
    /// Acknowledgement number, relative to the receiver's first octet; `None` without the ACK bit.
    pub ack: Option<i32>,
    /// Control bits.
    pub flags: Flags,
    /// Octets of data.
    pub len: usize,
    /// Window in octets, as in the header.
    pub window: u16,
    /// The oldest octet of the kernel that the peer had not acknowledged before this segment (SND.UNA of the kernel).
    pub una: i32,
    /// The next octet that the kernel expected from the peer before this segment (RCV.NXT of the kernel).
    pub next: i32,
    /// The IP datagram.
    pub datagram: Vec<u8>,
}

impl Recorded {
    /// Whether the segment is a keepalive probe: sequence number SND.NXT - 1, no data, only ACK (RFC 9293 §3.8.4).
    /// A probe of a closed window has the same form.
    #[must_use]
    pub fn is_keepalive_probe(&self) -> bool {
        self.direction == Direction::FromKernel
            && self.flags == Flags::ACK
            && self.len == 0
            && self.seq == self.una - 1
    }
}

/// All segments of one case, ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// When the recording began, since the Unix epoch.
    pub began: Duration,
    /// The segments.
    pub segments: Vec<Recorded>,
}

impl Recording {
    /// The keepalive probes.
    pub fn probes(&self) -> impl Iterator<Item = &Recorded> {
        self.segments
            .iter()
            .filter(|segment| segment.is_keepalive_probe())
    }

    /// The segments of one connection.
    #[must_use]
    pub fn of(&self, pair: Pair) -> Self {
        let segments = self
            .segments
            .iter()
            .filter(|segment| segment.pair == pair)
            .cloned()
            .collect();
        Self {
            began: self.began,
            segments,
        }
    }

    /// The segments at or after `origin`, with times relative to it.
    #[must_use]
    pub fn since(&self, origin: Duration) -> Self {
        let segments = self.segments.iter().filter_map(|segment| {
            let at = segment.at.checked_sub(origin)?;
            Some(Recorded {
                at,
                ..segment.clone()
            })
        });
        Self {
            began: self.began + origin,
            segments: segments.collect(),
        }
    }

    /// Prints one line per segment: seconds, direction, flags, numbers. `probe N` counts per connection. Connections
    /// after the first are marked `#2`, `#3`, in the order of their first segments.
    #[must_use]
    pub fn timeline(&self) -> String {
        let mut pairs: Vec<(Pair, usize)> = Vec::new();
        let mut text = String::new();
        for segment in &self.segments {
            let place = pairs
                .iter()
                .position(|(pair, _)| *pair == segment.pair)
                .unwrap_or_else(|| {
                    pairs.push((segment.pair, 0));
                    pairs.len() - 1
                });
            if segment.is_keepalive_probe() {
                pairs[place].1 += 1;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", line(segment, place + 1, pairs[place].1));
        }
        text
    }
}

fn line(segment: &Recorded, connection: usize, probe: usize) -> String {
    let arrow = match segment.direction {
        Direction::FromKernel => '>',
        Direction::FromPeer => '<',
    };
    let ack = segment.ack.map_or_else(|| "-".to_owned(), |ack| ack.to_string());
    let mut line = format!(
        "{:>7.3} {arrow} {} seq={} ack={ack} len={}",
        segment.at.as_secs_f64(),
        segment.flags,
        segment.seq,
        segment.len,
    );
    if segment.is_keepalive_probe() {
        line += &format!("  probe {probe}");
    }
    if connection > 1 {
        line += &format!("  #{connection}");
    }
    line
}

/// The first and the current sequence numbers of a connection, as on the wire.
#[derive(Debug)]
struct Track {
    pair: Pair,
    /// First octet of the kernel's data.
    kernel_first: Option<u32>,
    /// First octet of the peer's data.
    peer_first: Option<u32>,
    una: Option<u32>,
    next: Option<u32>,
}

/// Turns segments into a [`Recording`].
#[derive(Debug, Default)]
pub struct Recorder {
    recording: Recording,
    tracks: Vec<Track>,
}

impl Recorder {
    /// Starts an empty recording; `began` is the time of its start since the Unix epoch.
    #[must_use]
    pub fn new(began: Duration) -> Self {
        Self {
            recording: Recording {
                began,
                segments: Vec::new(),
            },
            tracks: Vec::new(),
        }
    }

    /// The recording so far.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Adds one segment; `datagram` holds its bytes. The segment is inserted by its time, which may be earlier than
    /// that of segments recorded before.
    pub fn record(&mut self, at: Duration, direction: Direction, segment: &Segment, datagram: Vec<u8>) {
        let pair = match direction {
            Direction::FromKernel => Pair {
                peer: segment.destination,
                kernel: segment.source,
            },
            Direction::FromPeer => Pair {
                peer: segment.source,
                kernel: segment.destination,
            },
        };
        let track = self.track(pair, segment.flags == Flags::SYN);
        let (own, other) = match direction {
            Direction::FromKernel => (&mut track.kernel_first, &mut track.peer_first),
            Direction::FromPeer => (&mut track.peer_first, &mut track.kernel_first),
        };
        let has_ack = segment.flags.contains(Flags::ACK);
        let first = *own.get_or_insert(if segment.flags.contains(Flags::SYN) {
            segment.seq.wrapping_add(1)
        } else {
            segment.seq
        });
        let ack = has_ack.then(|| relative(segment.ack, *other.get_or_insert(segment.ack)));
        let una = distance(track.una, track.kernel_first);
        let next = distance(track.next, track.peer_first);
        if direction == Direction::FromPeer {
            advance(&mut track.next, segment.end());
            if has_ack {
                advance(&mut track.una, segment.ack);
            }
        }
        let segments = &mut self.recording.segments;
        let place = segments
            .iter()
            .rposition(|earlier| earlier.at <= at)
            .map_or(0, |earlier| earlier + 1);
        let recorded = Recorded {
            at,
            direction,
            pair,
            seq: relative(segment.seq, first),
            ack,
            flags: segment.flags,
            len: segment.payload.len(),
            window: segment.window,
            una,
            next,
            datagram,
        };
        segments.insert(place, recorded);
    }

    /// The track of the pair. A segment that opens a connection starts a new track, also on a pair used before.
    fn track(&mut self, pair: Pair, opens: bool) -> &mut Track {
        let known = self
            .tracks
            .iter()
            .rposition(|track| track.pair == pair)
            .filter(|&found| {
                // A retransmitted SYN belongs to the track that it opened: nothing has been acknowledged there.
                !opens || (self.tracks[found].una.is_none() && self.tracks[found].next.is_none())
            });
        let place = known.unwrap_or_else(|| {
            self.tracks.push(Track {
                pair,
                kernel_first: None,
                peer_first: None,
                una: None,
                next: None,
            });
            self.tracks.len() - 1
        });
        &mut self.tracks[place]
    }
}

fn distance(number: Option<u32>, first: Option<u32>) -> i32 {
    number
        .zip(first)
        .map_or(0, |(number, first)| relative(number, first))
}

fn advance(edge: &mut Option<u32>, number: u32) {
    if edge.is_none_or(|edge| relative(number, edge) > 0) {
        *edge = Some(number);
    }
}
