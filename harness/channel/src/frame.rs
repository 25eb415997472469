//! The form of a frame: one line of bytes.
//!
//! ```text
//! D12 89abcdef the payload\n     data: number, CRC-32 of number and payload, payload
//! A13 65536 0badcafe\n           acknowledgement: all data before 13 has arrived, and 65536 more bytes have room
//! N13 65536 0badcafe\n           the same, and 13 arrived damaged or not at all
//! ```
//! The payload has any bytes; `\n`, `\r` and `\` are escaped. Data without a payload is the end of the stream. A frame is a
//! line, so that a receiver finds the next frame after a loss, and so that a kernel's message on the same line costs one
//! frame.

use std::str;

/// The largest frame that an endpoint sends, in bytes. A line that loses every 1000th byte must still deliver frames.
pub const LARGEST_FRAME: usize = 512;
/// Letter, number, checksum, two spaces and the line feed of a data frame, at most.
const DATA_OVERHEAD: usize = 1 + 10 + 1 + 8 + 1 + 1;

/// A frame that has arrived undamaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A piece of the stream.
    Data {
        /// Its number, from 0.
        number: u32,
        /// Its bytes, empty at the end of the stream.
        payload: Vec<u8>,
    },
    /// An acknowledgement.
    Acknowledgement {
        /// The number of the first piece that has not arrived.
        next: u32,
        /// The number of bytes that the receiver can store.
        room: usize,
        /// Whether that piece is known to be lost, and not only on its way.
        is_lost: bool,
    },
}

/// A data frame with as much of `payload` as fits into `limit` bytes, and the number of payload bytes it has.
pub(crate) fn data(number: u32, payload: &[u8], limit: usize) -> (Vec<u8>, usize) {
    let mut escaped = Vec::new();
    let mut taken = 0;
    for byte in payload {
        let code = match byte {
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\\' => Some(b'\\'),
            _ => None,
        };
        if escaped.len() + 1 + usize::from(code.is_some()) + DATA_OVERHEAD > limit {
            break;
        }
        match code {
            Some(code) => escaped.extend([b'\\', code]),
            None => escaped.push(*byte),
        }
        taken += 1;
    }
    let mut frame = format!("D{number} {:08x} ", checksum(number, &escaped)).into_bytes();
    frame.extend(escaped);
    frame.push(b'\n');
    (frame, taken)
}

/// An acknowledgement.
pub(crate) fn acknowledgement(next: u32, room: usize, is_lost: bool) -> Vec<u8> {
    let kind = if is_lost { 'N' } else { 'A' };
    let checksum = checksum(next, format!("{kind}{room}").as_bytes());
    format!("{kind}{next} {room} {checksum:08x}\n").into_bytes()
}

/// Reads a line without its line feed. Returns `None` if it is damaged or no frame.
pub(crate) fn parse(line: &[u8]) -> Option<Frame> {
    let (kind, rest) = line.split_first()?;
    let mut words = rest.splitn(3, |byte| *byte == b' ');
    let mut word = || words.next().and_then(|word| str::from_utf8(word).ok());
    let number = word()?.parse().ok()?;
    match kind {
        b'D' => {
            let expected = u32::from_str_radix(word()?, 16).ok()?;
            let escaped = words.next()?;
            let payload = (checksum(number, escaped) == expected).then(|| unescape(escaped))??;
            Some(Frame::Data { number, payload })
        }
        b'A' | b'N' => {
            let room: usize = word()?.parse().ok()?;
            let is_lost = *kind == b'N';
            let whole = [line, b"\n"].concat();
            (acknowledgement(number, room, is_lost) == whole).then_some(Frame::Acknowledgement {
                next: number,
                room,
                is_lost,
            })
        }
        _ => None,
    }
}

/// Whether a line that is no frame may have been one: it begins like one.
pub(crate) fn is_damaged_frame(line: &[u8]) -> bool {
    matches!(line, [b'D' | b'A' | b'N', b'0'..=b'9', ..])
}

fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut payload = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        payload.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(payload)
}

/// The CRC-32 of the number and the rest of the frame.
fn checksum(number: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_be_bytes());
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(frame: &[u8]) -> &[u8] {
        frame.strip_suffix(b"\n").unwrap()
    }

    #[test]
    fn a_frame_is_readable_text() {
        let (frame, taken) = data(12, b"{\"a\":1}\n", LARGEST_FRAME);
        assert_eq!(taken, 8);
        assert_eq!(String::from_utf8(frame).unwrap(), "D12 f863e7a4 {\"a\":1}\\n\n");
        assert_eq!(acknowledgement(13, 65536, false), b"A13 65536 b6bc4218\n");
        assert_eq!(acknowledgement(13, 65536, true), b"N13 65536 47eaf0cd\n");
    }

    proptest! {
        #[test]
        fn any_bytes_arrive(number: u32, payload in prop::collection::vec(any::<u8>(), 0..400)) {
            let (frame, taken) = data(number, &payload, LARGEST_FRAME);
            prop_assert_eq!(taken, payload.len());
            prop_assert_eq!(parse(line(&frame)), Some(Frame::Data { number, payload }));
        }

        #[test]
        fn a_frame_with_another_byte_is_refused(at in 0_usize..40, other: u8) {
            let (frame, _) = data(7, b"some bytes that are sent", LARGEST_FRAME);
            let mut damaged = line(&frame).to_vec();
            let at = at % damaged.len();
            prop_assume!(damaged[at] != other && !damaged[at].eq_ignore_ascii_case(&other));
            damaged[at] = other;
            prop_assert_eq!(parse(&damaged), None);
        }

        #[test]
        fn a_frame_never_exceeds_its_limit(payload in prop::collection::vec(any::<u8>(), 1..400), limit in 40_usize..200) {
            let (frame, taken) = data(u32::MAX, &payload, limit);
            prop_assert!(frame.len() <= limit && taken > 0);
        }
    }
}
