//! Writes a recording as a pcapng file (draft-ietf-opsawg-pcapng), which Wireshark and tcpdump open.
//!
//! A recording needs three kinds of block, which this module writes itself: the crate for the format was a release
//! candidate that required a newer compiler than this workspace. Keepalive probes have a packet comment, so that
//! Wireshark shows the same numbers as the timeline of a report.

use std::time::Duration;

use super::Recording;

/// Packets begin with the IP header, so that captures of a tun device and of a veth pair have one form.
const LINKTYPE_RAW: u16 = 101;
/// The option `opt_comment`.
const COMMENT: u16 = 1;
/// The option `if_tsresol`; its value 9 means nanoseconds.
const TIME_RESOLUTION: u16 = 9;

/// Returns the contents of the file.
#[must_use]
pub fn encode(recording: &Recording) -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0A0D_0D0A, &section_header());
    block(&mut file, 1, &interface());
    let mut probe = 0_u32;
    for segment in &recording.segments {
        let comment = segment.is_keepalive_probe().then(|| {
            probe += 1;
            format!("keepalive probe {probe}")
        });
        block(
            &mut file,
            6,
            &packet(
                recording.began + segment.at,
                &segment.datagram,
                comment.as_deref(),
            ),
        );
    }
    file
}

fn section_header() -> Vec<u8> {
    let mut body = 0x1A2B_3C4D_u32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    // Length of the section: unspecified.
    body.extend(u64::MAX.to_le_bytes());
    body
}

fn interface() -> Vec<u8> {
    let mut body = LINKTYPE_RAW.to_le_bytes().to_vec();
    body.extend([0, 0]);
    // Snap length: no limit.
    body.extend([0; 4]);
    option(&mut body, TIME_RESOLUTION, &[9]);
    body.extend([0; 4]);
    body
}

fn packet(at: Duration, datagram: &[u8], comment: Option<&str>) -> Vec<u8> {
    // 64 bits of nanoseconds overflow in the year 2554.
    let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let (high, low) = ((nanos >> 32) as u32, nanos as u32);
    let len = u32::try_from(datagram.len()).expect("a datagram is shorter than 64 KiB");
    let mut body = Vec::new();
    for word in [0, high, low, len, len] {
        body.extend(word.to_le_bytes());
    }
    body.extend(datagram);
    pad(&mut body);
    if let Some(comment) = comment {
        option(&mut body, COMMENT, comment.as_bytes());
        body.extend([0; 4]);
    }
    body
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).expect("options are short texts of this module");
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(value);
    pad(body);
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let total = u32::try_from(body.len() + 12).expect("a block holds one datagram");
    file.extend(kind.to_le_bytes());
    file.extend(total.to_le_bytes());
    file.extend(body);
    file.extend(total.to_le_bytes());
}

/// Pads to 32 bits, the alignment of the format.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::encode;
    use crate::segment::tests::{answered_probe, datagram_of};

    fn word(file: &[u8], at: usize) -> usize {
        u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize
    }

    #[test]
    fn blocks_are_aligned_and_have_their_length_at_both_ends() {
        let recording = answered_probe();
        let file = encode(&recording);
        let (mut at, mut kinds) = (0, Vec::new());
        while at < file.len() {
            let total = word(&file, at + 4);
            assert_eq!((total % 4, word(&file, at + total - 4)), (0, total));
            kinds.push(word(&file, at));
            at += total;
        }
        assert_eq!(kinds[..2], [0x0A0D_0D0A, 1]);
        assert_eq!(kinds[2..], vec![6; recording.segments.len()]);
    }

    #[test]
    fn a_packet_is_the_datagram_and_a_probe_has_a_comment() {
        let recording = answered_probe();
        let file = encode(&recording);
        for segment in &recording.segments {
            let datagram = datagram_of(segment);
            assert!(file.windows(datagram.len()).any(|window| window == datagram));
        }
        let comments = file
            .windows(17)
            .filter(|window| *window == b"keepalive probe 1")
            .count();
        assert_eq!(comments, 1);
    }
}
