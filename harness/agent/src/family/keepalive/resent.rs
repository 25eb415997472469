//! Finds the kernel's retransmissions: SYN, data or FIN whose sequence numbers it has sent before.
//!
//! A keepalive probe is none, because it takes no sequence space. A segment that repeats some bytes and adds new ones is
//! none either.

use std::time::Duration;

use reusespec_wire::segment::{Direction, Flags, Recorded};

/// The times of the retransmissions among one connection's segments, in the order of the recording.
pub(super) fn resent<'r>(segments: impl Iterator<Item = &'r Recorded>) -> Vec<Duration> {
    let mut sent_up_to = i64::MIN;
    let mut again = Vec::new();
    for segment in segments.filter(|segment| segment.direction == Direction::FromKernel) {
        let takes = |flag| i64::from(segment.flags.contains(flag));
        let span = segment.len as i64 + takes(Flags::SYN) + takes(Flags::FIN);
        let end = i64::from(segment.seq) + span;
        if span == 0 {
            continue;
        }
        if end <= sent_up_to {
            again.push(segment.at);
        }
        sent_up_to = sent_up_to.max(end);
    }
    again
}

#[cfg(test)]
mod tests {
    use reusespec_wire::segment::Pair;

    use super::*;

    fn sent(at_secs: u64, flags: Flags, seq: i32, len: usize) -> Recorded {
        let end = |port| (std::net::Ipv4Addr::LOCALHOST, port).into();
        Recorded {
            at: Duration::from_secs(at_secs),
            direction: Direction::FromKernel,
            pair: Pair {
                peer: end(1),
                kernel: end(2),
            },
            seq,
            ack: Some(0),
            flags,
            len,
            window: 0,
            una: 0,
            next: 0,
            datagram: Vec::new(),
        }
    }

    fn times(segments: &[Recorded]) -> Vec<u64> {
        resent(segments.iter()).iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn a_syn_and_data_are_sent_again() {
        let segments = [
            sent(0, Flags::SYN, -1, 0),
            sent(1, Flags::SYN, -1, 0),
            sent(2, Flags::ACK, 0, 0),
            sent(3, Flags::ACK, 0, 10),
            sent(4, Flags::ACK, 0, 10),
            sent(6, Flags::ACK, 0, 5),
        ];
        assert_eq!(times(&segments), [1, 4, 6]);
    }

    #[test]
    fn a_probe_an_acknowledgement_and_new_data_are_not() {
        let segments = [
            sent(0, Flags::ACK, 0, 10),
            sent(1, Flags::ACK, -1, 0),
            sent(2, Flags::ACK, 10, 0),
            sent(3, Flags::ACK, 0, 20),
            sent(4, Flags::FIN | Flags::ACK, 20, 0),
        ];
        assert_eq!(times(&segments), [0; 0]);
    }
}
