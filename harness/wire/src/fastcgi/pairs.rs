//! Name-value pairs (§3.4), complete or as a stream that is split anywhere.
//!
//! A length takes one byte up to 127 and four bytes otherwise. The decoder also accepts the four-byte form of small
//! lengths, because the specification only says that they *can* take one byte.
//!
//! The decoder knows the maximum length of the stream. It refuses a longer pair as soon as it reads the lengths, not
//! when the bytes arrive. A stream with a wrong length in its last pair is therefore too long, not truncated.

use thiserror::Error;

/// The largest length in the four-byte form.
const LEN_MAX: u32 = 0x7fff_ffff;

/// A name and its value; both are arbitrary bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// May be empty.
    pub name: Vec<u8>,
    /// May be empty.
    pub value: Vec<u8>,
}

/// Why bytes are not a sequence of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PairError {
    /// The stream ended inside a pair.
    #[error("the stream ends at least {missing} bytes before the end of a pair")]
    CutShort {
        /// Lower bound of the missing bytes.
        missing: u64,
    },
    /// A pair is longer than the rest of the stream may be.
    #[error("a pair of {promised} bytes where at most {room} are left")]
    TooLong {
        /// Bytes of the pair, including its lengths.
        promised: u64,
        /// Bytes that the stream may still have.
        room: usize,
    },
}

/// Decodes a stream of pairs that arrives in any pieces.
#[derive(Clone, Debug)]
pub struct PairDecoder {
    pending: Vec<u8>,
    /// Bytes that the stream may still have, including the pending ones.
    room: usize,
}

impl PairDecoder {
    /// Creates a decoder for a stream of at most `stream_len_max` bytes.
    pub const fn new(stream_len_max: usize) -> Self {
        Self {
            pending: Vec::new(),
            room: stream_len_max,
        }
    }

    /// Reads the next bytes of the stream and calls `each` with the name and value of every completed pair.
    ///
    /// # Errors
    /// [`PairError::TooLong`]; the decoder cannot be used afterwards.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), PairError> {
        if self.pending.is_empty() {
            let taken = self.take(bytes, &mut each)?;
            self.pending.extend_from_slice(&bytes[taken..]);
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(bytes);
            let taken = self.take(&pending, &mut each)?;
            pending.drain(..taken);
            self.pending = pending;
        }
        Ok(())
    }

    /// Handles the end of the stream.
    ///
    /// # Errors
    /// [`PairError::CutShort`] if the stream ended inside a pair.
    pub fn finish(&self) -> Result<(), PairError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let need =
            Lengths::read(&self.pending).map_or(self.pending.len() as u64 + 1, |lengths| lengths.total());
        Err(PairError::CutShort {
            missing: need - self.pending.len() as u64,
        })
    }

    /// Number of buffered bytes of an incomplete pair.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Decodes the complete pairs at the front and returns their length in bytes.
    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8], &[u8])) -> Result<usize, PairError> {
        let mut taken = 0;
        while let Some(lengths) = Lengths::read(&bytes[taken..]) {
            let promised = lengths.total();
            if promised > self.room as u64 {
                return Err(PairError::TooLong {
                    promised,
                    room: self.room,
                });
            }
            let pair_len = usize::try_from(promised).expect("at most `room`, which is a usize");
            let Some(pair) = bytes[taken..].get(..pair_len) else {
                break;
            };
            let (name, value) = pair[lengths.own..].split_at(lengths.name as usize);
            each(name, value);
            self.room -= pair_len;
            taken += pair_len;
        }
        let left = bytes.len() - taken;
        if left > self.room {
            return Err(PairError::TooLong {
                promised: left as u64,
                room: self.room,
            });
        }
        Ok(taken)
    }
}

/// The two lengths at the start of a pair.
struct Lengths {
    name: u32,
    value: u32,
    /// Bytes of the lengths themselves, 2 to 8.
    own: usize,
}

impl Lengths {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (name, name_own) = read_len(bytes)?;
        let (value, value_own) = read_len(&bytes[name_own..])?;
        Some(Self {
            name,
            value,
            own: name_own + value_own,
        })
    }

    /// Two 31-bit lengths plus 8 can overflow 32 bits (CVE-2025-23016), but not 64.
    fn total(&self) -> u64 {
        self.own as u64 + u64::from(self.name) + u64::from(self.value)
    }
}

fn read_len(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first & 0x80 == 0 {
        return Some((u32::from(first), 1));
    }
    let four = bytes.first_chunk::<4>()?;
    Some((u32::from_be_bytes(*four) & LEN_MAX, 4))
}

/// Decodes bytes that consist of complete pairs, such as the content of GET_VALUES.
///
/// # Errors
/// [`PairError`] if the bytes end inside a pair.
pub fn pairs(bytes: &[u8]) -> Result<Vec<Pair>, PairError> {
    let mut decoder = PairDecoder::new(bytes.len());
    let mut all = Vec::new();
    decoder.feed(bytes, |name, value| {
        all.push(Pair {
            name: name.to_vec(),
            value: value.to_vec(),
        });
    })?;
    decoder.finish()?;
    Ok(all)
}

/// Appends one pair, with each length in its shortest form.
///
/// # Panics
/// If the name or the value has more than 0x7fffffff bytes, which the format cannot express.
pub fn append_pair(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, value] {
        let len = u32::try_from(part.len())
            .ok()
            .filter(|len| *len <= LEN_MAX)
            .expect("a 31-bit length");
        match u8::try_from(len) {
            Ok(short @ 0..=0x7f) => bytes.push(short),
            _ => bytes.extend_from_slice(&(len | 0x8000_0000).to_be_bytes()),
        }
    }
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(value);
}
