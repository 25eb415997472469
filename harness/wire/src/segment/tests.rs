//! Tests: segments round-trip, truncated ones are refused, and the peer's replies match expected timelines.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    Behaviour, Direction, Flags, Pair, Peer, Recorded, Recorder, Recording, Segment, SegmentError,
    unreachable,
};

const ISS: u32 = u32::MAX - 2;
const KERNEL_ISS: u32 = 7_000;

fn pair() -> Pair {
    Pair {
        peer: "198.18.0.2:7".parse().unwrap(),
        kernel: "198.18.0.1:40000".parse().unwrap(),
    }
}

/// A segment of the kernel; `seq` and `ack` are relative to the first octet of each side.
fn kernel(flags: Flags, seq: u32, ack: u32, payload: &[u8]) -> Segment {
    Segment {
        source: pair().kernel,
        destination: pair().peer,
        seq: (KERNEL_ISS + 1).wrapping_add(seq),
        ack: if flags.contains(Flags::ACK) {
            ISS.wrapping_add(1).wrapping_add(ack)
        } else {
            0
        },
        flags,
        window: 1000,
        mss: None,
        payload: payload.to_vec(),
    }
}

const BEFORE: u32 = u32::MAX;

fn probe() -> Segment {
    kernel(Flags::ACK, BEFORE, 0, b"")
}

/// A peer and the recording of its exchange with the kernel.
struct Wire {
    peer: Peer,
    recorder: Recorder,
    seconds: u64,
}

impl Wire {
    /// A connection that the kernel has opened to an answering peer.
    fn connected() -> Self {
        let peer = Peer::new(Behaviour::Answering, ISS);
        let mut wire = Self {
            peer,
            recorder: Recorder::default(),
            seconds: 0,
        };
        wire.kernel_sends(&kernel(Flags::SYN, BEFORE, 0, b""));
        wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b""));
        wire
    }

    fn record(&mut self, direction: Direction, segment: &Segment) {
        let at = Duration::from_secs(self.seconds);
        self.recorder
            .record(at, direction, segment, segment.emit().unwrap());
    }

    fn kernel_sends(&mut self, segment: &Segment) {
        self.record(Direction::FromKernel, segment);
        let replies = self.peer.receive(segment);
        self.peer_sends(&replies);
        self.seconds += 1;
    }

    fn peer_sends(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.record(Direction::FromPeer, segment);
        }
    }

    fn behaves(&mut self, behaviour: Behaviour) {
        let segments = self.peer.behave(behaviour);
        self.peer_sends(&segments);
    }

    fn assert_timeline(&self, expected: &[&str]) {
        let timeline = self.recorder.recording().timeline();
        let lines: Vec<_> = timeline.lines().skip(3).map(str::trim_start).collect();
        assert_eq!(lines, expected, "\n{timeline}");
    }
}

pub(super) fn answered_probe() -> Recording {
    let mut wire = Wire::connected();
    wire.kernel_sends(&probe());
    wire.recorder.recording().clone()
}

pub(super) fn datagram_of(segment: &Recorded) -> &[u8] {
    &segment.datagram
}

#[test]
fn a_handshake_counts_from_the_first_octet() {
    assert_eq!(
        Wire::connected().recorder.recording().timeline(),
        "  0.000 > S seq=-1 ack=- len=0\n  0.000 < SA seq=-1 ack=0 len=0\n  1.000 > A seq=0 ack=0 len=0\n"
    );
}

#[test]
fn the_peer_opens_a_connection_itself() {
    let mut peer = Peer::new(Behaviour::Answering, ISS);
    let syn = peer.connect(pair());
    assert_eq!((syn.flags, syn.seq, syn.source), (Flags::SYN, ISS, pair().peer));
    assert!(!peer.is_open(pair()));
    let replies = peer.receive(&kernel(Flags::SYN | Flags::ACK, BEFORE, 0, b""));
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].flags, replies[0].ack), (Flags::ACK, KERNEL_ISS + 1));
    assert!(peer.is_open(pair()));
}

#[test]
fn an_answering_peer_acknowledges_probes_data_and_fin() {
    let mut wire = Wire::connected();
    wire.kernel_sends(&probe());
    wire.kernel_sends(&kernel(Flags::PSH | Flags::ACK, 0, 0, b"hello"));
    wire.kernel_sends(&kernel(Flags::ACK, 4, 0, b""));
    wire.kernel_sends(&kernel(Flags::FIN | Flags::ACK, 5, 0, b""));
    wire.assert_timeline(&[
        "2.000 > A seq=-1 ack=0 len=0  probe 1",
        "2.000 < A seq=0 ack=0 len=0",
        "3.000 > PA seq=0 ack=0 len=5",
        "3.000 < A seq=0 ack=5 len=0",
        "4.000 > A seq=4 ack=0 len=0  probe 2",
        "4.000 < A seq=0 ack=5 len=0",
        "5.000 > FA seq=5 ack=0 len=0",
        "5.000 < A seq=0 ack=6 len=0",
    ]);
}

#[test]
fn a_silent_peer_answers_no_probe() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::Silent);
    wire.kernel_sends(&probe());
    wire.kernel_sends(&probe());
    wire.kernel_sends(&kernel(Flags::RST | Flags::ACK, 0, 0, b""));
    wire.assert_timeline(&[
        "2.000 > A seq=-1 ack=0 len=0  probe 1",
        "3.000 > A seq=-1 ack=0 len=0  probe 2",
        "4.000 > RA seq=0 ack=0 len=0",
    ]);
}

#[test]
fn a_silent_peer_accepts_retransmissions_once_it_answers_again() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::Silent);
    wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b"lost"));
    wire.behaves(Behaviour::Answering);
    wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b"lost"));
    wire.assert_timeline(&[
        "2.000 > A seq=0 ack=0 len=4",
        "3.000 > A seq=0 ack=0 len=4",
        "3.000 < A seq=0 ack=4 len=0",
    ]);
}

#[test]
fn a_rebooted_peer_sends_a_reset_with_the_expected_number() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::Rebooted);
    wire.kernel_sends(&probe());
    wire.kernel_sends(&kernel(Flags::SYN, BEFORE, 0, b""));
    wire.assert_timeline(&[
        "2.000 > A seq=-1 ack=0 len=0  probe 1",
        "2.000 < R seq=0 ack=- len=0",
        "3.000 > S seq=-1 ack=- len=0",
        "3.000 < RA seq=0 ack=0 len=0",
    ]);
}

#[test]
fn a_closing_peer_sends_one_fin_and_still_answers() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::Closing);
    wire.kernel_sends(&kernel(Flags::ACK, 0, 1, b""));
    wire.kernel_sends(&kernel(Flags::ACK, BEFORE, 1, b""));
    wire.kernel_sends(&kernel(Flags::FIN | Flags::ACK, 0, 1, b""));
    wire.assert_timeline(&[
        "2.000 < FA seq=0 ack=0 len=0",
        "2.000 > A seq=0 ack=1 len=0",
        "3.000 > A seq=-1 ack=1 len=0  probe 1",
        "3.000 < A seq=1 ack=0 len=0",
        "4.000 > FA seq=0 ack=1 len=0",
        "4.000 < A seq=1 ack=1 len=0",
    ]);
    assert!(!wire.peer.is_open(pair()));
}

#[test]
fn a_pattern_selects_the_answered_probes() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::AnsweringSome(vec![false, true]));
    for _ in 0..3 {
        wire.kernel_sends(&probe());
    }
    wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b"data"));
    wire.assert_timeline(&[
        "2.000 > A seq=-1 ack=0 len=0  probe 1",
        "3.000 > A seq=-1 ack=0 len=0  probe 2",
        "3.000 < A seq=0 ack=0 len=0",
        "4.000 > A seq=-1 ack=0 len=0  probe 3",
        "5.000 > A seq=0 ack=0 len=4",
        "5.000 < A seq=0 ack=4 len=0",
    ]);
}

#[test]
fn held_data_is_never_acknowledged_but_probes_are() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::HoldingData);
    wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b"data"));
    wire.kernel_sends(&probe());
    wire.assert_timeline(&[
        "2.000 > A seq=0 ack=0 len=4",
        "3.000 > A seq=-1 ack=0 len=0  probe 1",
        "3.000 < A seq=0 ack=0 len=0",
    ]);
}

#[test]
fn a_router_quotes_the_datagram_of_an_unreachable_peer() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::Unreachable);
    assert!(wire.peer.is_unreachable() && wire.peer.receive(&probe()).is_empty());
    let datagram = probe().emit().unwrap();
    let message = unreachable(&datagram).unwrap();
    let packet = etherparse::SlicedPacket::from_ip(&message).unwrap();
    let Some(etherparse::TransportSlice::Icmpv4(icmp)) = packet.transport else {
        panic!("{packet:?}")
    };
    assert_eq!((icmp.type_u8(), icmp.code_u8()), (3, 1));
    assert_eq!(icmp.payload(), datagram);
    assert_eq!(unreachable(b"no datagram"), None);
}

#[test]
fn a_closed_window_is_announced_and_opened_again() {
    let mut wire = Wire::connected();
    wire.behaves(Behaviour::WindowShut);
    wire.kernel_sends(&kernel(Flags::ACK, 0, 0, b"x"));
    wire.behaves(Behaviour::Answering);
    let windows: Vec<_> = wire.recorder.recording().segments[3..]
        .iter()
        .map(|s| (s.ack, s.window))
        .collect();
    let open = u16::MAX;
    assert_eq!(
        windows,
        [(Some(0), 0), (Some(0), 1000), (Some(0), 0), (Some(0), open)]
    );
}

#[test]
fn data_of_the_peer_advances_the_number_the_kernel_expects() {
    let mut wire = Wire::connected();
    let data = wire.peer.send(b"abc");
    wire.peer_sends(&data);
    wire.kernel_sends(&kernel(Flags::ACK, BEFORE, 3, b""));
    let last = wire.recorder.recording().probes().last().unwrap();
    assert_eq!((last.ack, last.next, last.una), (Some(3), 3, 0));
}

#[test]
fn a_segment_after_a_gap_is_not_accepted() {
    let mut wire = Wire::connected();
    wire.kernel_sends(&kernel(Flags::ACK, 3, 0, b"late"));
    wire.assert_timeline(&["2.000 > A seq=3 ack=0 len=4", "2.000 < A seq=0 ack=0 len=0"]);
}

#[test]
fn a_new_connection_on_the_same_ports_counts_from_its_own_syn() {
    let mut wire = Wire::connected();
    wire.kernel_sends(&kernel(Flags::RST | Flags::ACK, 0, 0, b""));
    let mut syn = kernel(Flags::SYN, BEFORE, 0, b"");
    syn.seq = 99;
    wire.kernel_sends(&syn);
    wire.assert_timeline(&[
        "2.000 > RA seq=0 ack=0 len=0",
        "3.000 > S seq=-1 ack=- len=0",
        "3.000 < SA seq=-1 ack=0 len=0",
    ]);
}

#[test]
fn a_segment_that_arrives_late_is_recorded_at_its_time() {
    let mut wire = Wire::connected();
    wire.kernel_sends(&probe());
    wire.recorder.record(
        Duration::from_millis(1500),
        Direction::FromKernel,
        &probe(),
        Vec::new(),
    );
    let times: Vec<_> = wire
        .recorder
        .recording()
        .segments
        .iter()
        .map(|segment| segment.at)
        .collect();
    assert_eq!(times[3], Duration::from_millis(1500));
    assert!(times.is_sorted());
}

#[test]
fn a_recording_can_start_at_an_origin() {
    let recording = answered_probe().since(Duration::from_secs(2));
    assert_eq!(
        recording.timeline().lines().next(),
        Some("  0.000 > A seq=-1 ack=0 len=0  probe 1")
    );
    assert_eq!(
        (recording.segments.len(), recording.began),
        (2, Duration::from_secs(2))
    );
}

#[test]
fn other_protocols_fragments_and_wrong_checksums_are_refused() {
    let sound = probe().emit().unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        Segment::parse(&bytes).unwrap_err()
    };
    assert!(matches!(with(9, 17), SegmentError::NotTcp(17)));
    assert!(matches!(with(6, 0x20), SegmentError::Fragment));
    assert!(matches!(with(37, !sound[37]), SegmentError::Checksum { .. }));
    assert!(matches!(with(0, 0x75), SegmentError::Ip(_)));
    assert!(matches!(with(32, 0x40), SegmentError::Tcp(_)));
}

#[test]
fn mixed_families_and_long_payloads_are_refused() {
    let mixed = Segment {
        source: "[::1]:1".parse().unwrap(),
        ..probe()
    };
    assert!(matches!(mixed.emit(), Err(SegmentError::MixedFamilies)));
    let long = Segment {
        payload: vec![0; 70_000],
        ..probe()
    };
    assert!(matches!(long.emit(), Err(SegmentError::TooLong(70_000))));
}

fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let v6 = (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
    let ends = (prop_oneof![v4, v6], any::<u16>(), any::<u16>());
    ends.prop_map(|((from, to), here, there)| (SocketAddr::new(from, here), SocketAddr::new(to, there)))
}

fn flags() -> impl Strategy<Value = Flags> {
    let all = vec![
        Flags::FIN,
        Flags::SYN,
        Flags::RST,
        Flags::PSH,
        Flags::ACK,
        Flags::URG,
    ];
    proptest::sample::subsequence(all, 0..=6)
        .prop_map(|some| some.into_iter().fold(Flags::default(), |all, flag| all | flag))
}

fn segments() -> impl Strategy<Value = Segment> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>(), any::<Option<u16>>());
    (addresses(), flags(), numbers, vec(any::<u8>(), 0..64)).prop_map(
        |((source, destination), flags, (seq, ack, window, mss), payload)| {
            let ack = if flags.contains(Flags::ACK) { ack } else { 0 };
            let mss = mss.filter(|_| flags.contains(Flags::SYN));
            Segment {
                source,
                destination,
                seq,
                ack,
                flags,
                window,
                mss,
                payload,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_segment_survives_the_wire(segment in segments(), padding in 0..8_usize) {
        let mut datagram = segment.emit().unwrap();
        datagram.resize(datagram.len() + padding, 0);
        prop_assert_eq!(Segment::parse(&datagram).unwrap(), segment);
    }

    #[test]
    fn every_truncation_of_a_datagram_is_refused(segment in segments()) {
        let datagram = segment.emit().unwrap();
        for cut in 0..datagram.len() {
            prop_assert!(Segment::parse(&datagram[..cut]).is_err(), "cut at {}", cut);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..128)) {
        let _ = Segment::parse(&bytes);
    }

    /// A host answers any segment with at most one segment, and never answers a reset.
    #[test]
    fn a_peer_never_answers_a_reset(
        arriving in vec((flags(), 0..4_u32, 0..4_u32, vec(any::<u8>(), 0..3)), 0..20),
        rebooted in any::<bool>(),
    ) {
        let mut wire = Wire::connected();
        if rebooted {
            wire.behaves(Behaviour::Rebooted);
        }
        for (flags, seq, ack, payload) in arriving {
            let replies = wire.peer.receive(&kernel(flags, seq, ack, &payload));
            prop_assert!(replies.len() <= usize::from(!flags.contains(Flags::RST)));
        }
    }
}

#[test]
fn a_reset_ends_each_connection_in_sequence_and_forgets_it() {
    let mut wire = Wire::connected();
    let expected = Segment {
        source: pair().peer,
        destination: pair().kernel,
        seq: ISS.wrapping_add(1),
        ack: KERNEL_ISS + 1,
        flags: Flags::RST | Flags::ACK,
        window: 0,
        mss: None,
        payload: Vec::new(),
    };
    assert_eq!(wire.peer.reset_all(), [expected]);
    assert!(!wire.peer.is_open(pair()) && wire.peer.reset_all().is_empty());
}
