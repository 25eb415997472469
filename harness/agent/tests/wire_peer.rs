//! Tests the wire peer against the running kernel: handshakes in both directions and families, probes, resets, losses.
//!
//! Each test runs its body in a child process in new user and network namespaces (`namespace`). Every wait ends with
//! its event, so the tests take as long as the kernel's own timers.
#![cfg(target_os = "linux")]

#[path = "wire_peer/namespace.rs"]
mod namespace;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use namespace::in_namespace;
use reusespec_agent::peer::{Config, WirePeer};
use reusespec_wire::segment::{Behaviour, Direction, Flags, Recorded, Recording, Segment};
use socket2::{SockRef, TcpKeepalive};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// The timeout of each wait, much longer than any of the kernel's timers below.
const BUDGET: Duration = Duration::from_secs(30);

fn start() -> WirePeer {
    WirePeer::start(Config::default()).expect("the namespace allows a wire")
}

fn dial(peer: &WirePeer, like: IpAddr) -> TcpStream {
    let address = SocketAddr::new(peer.addresses().peer(like), 7);
    TcpStream::connect_timeout(&address, BUDGET).expect("the peer accepts")
}

fn probe_after_a_second(stream: &TcpStream, count: u32) {
    let second = Duration::from_secs(1);
    let keepalive = TcpKeepalive::new()
        .with_time(second)
        .with_interval(second)
        .with_retries(count);
    SockRef::from(stream)
        .set_tcp_keepalive(&keepalive)
        .expect("the values are within limits");
}

fn seconds(recording: &Recording, wanted: impl Fn(&Recorded) -> bool) -> Vec<u64> {
    let found = recording.segments.iter().filter(|segment| wanted(segment));
    found.map(|segment| segment.at.as_secs()).collect()
}

#[test]
fn a_connection_carries_data_both_ways_in_both_families() {
    in_namespace("a_connection_carries_data_both_ways_in_both_families", || {
        let peer = start();
        for like in [V4, V6] {
            let mut stream = dial(&peer, like);
            stream.write_all(b"hello").unwrap();
            peer.await_segment(BUDGET, |recording| {
                recording
                    .segments
                    .iter()
                    .find(|segment| segment.ack == Some(5))
                    .cloned()
            })
            .unwrap();
            peer.send(b"world").unwrap();
            let mut received = [0; 5];
            stream.read_exact(&mut received).unwrap();
            assert_eq!(received, *b"world");
            peer.behave(Behaviour::Closing).unwrap();
            assert_eq!(stream.read(&mut received).unwrap(), 0);
            peer.behave(Behaviour::Answering).unwrap();
        }
    });
}

/// The kernel retransmits a lost SYN after a second, so a first segment before that shows that none was lost.
#[test]
fn a_new_wire_loses_nothing() {
    in_namespace("a_new_wire_loses_nothing", || {
        for like in [V4, V6].repeat(3) {
            let peer = start();
            drop(dial(&peer, like));
            let recording = peer.recording().unwrap();
            let first = &recording.segments[0];
            assert!(first.at < Duration::from_secs(1), "{}", recording.timeline());
        }
    });
}

#[test]
fn the_peer_connects_to_a_listener_in_both_families() {
    in_namespace("the_peer_connects_to_a_listener_in_both_families", || {
        let peer = start();
        for like in [V4, V6] {
            let listener = TcpListener::bind((peer.addresses().kernel(like), 0)).unwrap();
            let pair = peer
                .connect(40_000, listener.local_addr().unwrap(), BUDGET)
                .unwrap();
            let (_stream, from) = listener.accept().unwrap();
            assert_eq!(from, pair.peer);
        }
    });
}

#[test]
fn a_silent_peer_gets_two_probes_and_a_reset() {
    in_namespace("a_silent_peer_gets_two_probes_and_a_reset", || {
        for like in [V4, V6] {
            let peer = start();
            let mut stream = dial(&peer, like);
            probe_after_a_second(&stream, 2);
            peer.behave(Behaviour::Silent).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
            assert!(stream.take_error().unwrap().is_none());
            let recording = peer.recording().unwrap();
            assert_eq!(
                seconds(&recording, Recorded::is_keepalive_probe),
                [1, 2],
                "{}",
                recording.timeline()
            );
            let reset = |segment: &Recorded| segment.flags == Flags::RST | Flags::ACK && segment.seq == 0;
            assert_eq!(seconds(&recording, reset), [3], "{}", recording.timeline());
            assert!(recording.probes().all(|probe| probe.ack == Some(probe.next)));
        }
    });
}

#[test]
fn a_rebooted_peer_resets_the_connection_at_the_first_probe() {
    in_namespace("a_rebooted_peer_resets_the_connection_at_the_first_probe", || {
        let peer = start();
        let mut stream = dial(&peer, V4);
        probe_after_a_second(&stream, 2);
        peer.behave(Behaviour::Rebooted).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        assert_eq!(peer.recording().unwrap().probes().count(), 1);
    });
}

/// Without a route, a segment is dropped before any device, and TCP counts it as sent.
#[test]
fn a_probe_that_was_counted_but_lost_breaks_the_recording() {
    in_namespace("a_probe_that_was_counted_but_lost_breaks_the_recording", || {
        let peer = start();
        let stream = dial(&peer, V6);
        probe_after_a_second(&stream, 2);
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        // No probe arrives, so each wait for one is a pause of 50 ms between two looks at the recording.
        let looks = 0..BUDGET.as_millis() / 50;
        let mut broken = looks.filter_map(|_| {
            let _ = peer.await_probes(1, Duration::from_millis(50));
            peer.recording().err()
        });
        let broken = broken.next().expect("the kernel counts a probe").to_string();
        assert_eq!(
            broken,
            "the wire broke: the kernel counts 1 keepalive probes, the wire carried 0"
        );
    });
}

#[test]
fn an_answering_peer_is_probed_repeatedly() {
    in_namespace("an_answering_peer_is_probed_repeatedly", || {
        let peer = start();
        let stream = dial(&peer, V6);
        probe_after_a_second(&stream, 1);
        peer.await_probes(2, BUDGET).unwrap();
        assert!(stream.take_error().unwrap().is_none());
        let recording = peer.recording().unwrap();
        let answers = recording
            .segments
            .iter()
            .skip_while(|segment| !segment.is_keepalive_probe());
        let answers = answers.filter(|segment| segment.direction == Direction::FromPeer);
        assert!(answers.count() >= 2, "{}", recording.timeline());
    });
}

#[test]
fn a_wait_without_its_event_ends_after_the_timeout() {
    in_namespace("a_wait_without_its_event_ends_after_the_timeout", || {
        let late = start().await_probes(1, Duration::from_millis(20)).unwrap_err();
        assert_eq!(late.to_string(), "the awaited event did not happen within 20ms");
    });
}

#[test]
fn large_writes_arrive_complete_with_correct_checksums() {
    in_namespace("large_writes_arrive_complete_with_correct_checksums", || {
        let peer = start();
        let mut stream = dial(&peer, V4);
        let payload = vec![7; 200_000];
        stream.write_all(&payload).unwrap();
        let all = i32::try_from(payload.len()).unwrap();
        peer.await_segment(BUDGET, |recording| {
            recording
                .segments
                .iter()
                .any(|segment| segment.ack == Some(all))
                .then_some(())
        })
        .unwrap();
        let recording = peer.recording().unwrap();
        let times: Vec<_> = recording.segments.iter().map(|segment| segment.at).collect();
        assert!(times.is_sorted(), "{}", recording.timeline());
        for segment in &recording.segments {
            assert!(Segment::parse(&segment.datagram).is_ok() && segment.datagram.len() <= 1500);
        }
    });
}
