//! What went over the wire, with numbers a reader can compare: relative to each connection's first octet.
//!
//! A [`Recorder`] is fed every segment as the peer meets it; the [`Recording`] it yields is in the order of
//! time, answers questions, prints a timeline and becomes a capture (`pcapng`). Whoever moves the bytes gives
//! the times.
//!
//! Whether a segment is a keepalive probe depends on what the peer had acknowledged by then. That is kept with
//! each entry (`una`, `next`), so that a claim about the form of a probe needs no second reading; the price
//! is two numbers an entry.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Flags, Segment, relative};

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The end in user space.
    pub peer: SocketAddr,
    /// The end under test.
    pub kernel: SocketAddr,
}

/// Who sent a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the kernel under test to the peer; `>` in a timeline.
    FromKernel,
    /// From the peer to the kernel under test; `<` in a timeline.
    FromPeer,
}

/// One segment on the wire. Sequence numbers count from the first octet of data: the SYN has -1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When, since the recording began.
    pub at: Duration,
    /// Who sent it.
    pub direction: Direction,
    /// On which connection.
    pub pair: Pair,
    /// Sequence number, relative to the sender's first octet.
    pub seq: i32,
    /// Acknowledgement number, relative to the receiver's first octet; `None` without the ACK bit.
    pub ack: Option<i32>,
    /// Control bits.
    pub flags: Flags,
    /// Octets of data.
    pub len: usize,
    /// Window in octets as written in the header.
    pub window: u16,
    /// The kernel's oldest octet that the peer had not acknowledged before this segment (SND.UNA of the kernel).
    pub una: i32,
    /// The octet the kernel had to expect from the peer before this segment (RCV.NXT of the kernel).
    pub next: i32,
    /// The IP datagram as it was on the wire.
    pub datagram: Vec<u8>,
}

impl Recorded {
    /// A keepalive probe: the sequence number just before what is awaited, no data, nothing but ACK
    /// (RFC 9293 §3.8.4). A probe of a closed window has the same form.
    #[must_use]
    pub fn is_keepalive_probe(&self) -> bool {
        self.direction == Direction::FromKernel
            && self.flags == Flags::ACK
            && self.len == 0
            && self.seq == self.una - 1
    }
}

/// All segments of one case in the order of time.
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

    /// Only the segments of one connection.
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

    /// Only what came at or after `origin`, with times counted from there.
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

    /// One line a segment: seconds, direction, flags, numbers; `probe N` counts per connection. A second
    /// connection and further ones are marked `#2`, `#3` in the order of their first segments.
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

/// Where each side of a connection started and how far it has come, in raw sequence numbers.
#[derive(Debug)]
struct Track {
    pair: Pair,
    kernel_first: Option<u32>,
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
    /// Nothing recorded yet; `began` is the time since the Unix epoch that `at` counts from.
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

    /// What has been recorded so far.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Adds one segment; `datagram` is the segment as it was on the wire. One that was on the wire before
    /// those the peer has already met or sent takes its place among them.
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

    /// The track of the pair; a new one if a connection is opened on it, even where an older one was.
    fn track(&mut self, pair: Pair, opens: bool) -> &mut Track {
        let known = self
            .tracks
            .iter()
            .rposition(|track| track.pair == pair)
            .filter(|&found| {
                // A SYN sent again belongs to the track it opened: nothing has been acknowledged there.
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
