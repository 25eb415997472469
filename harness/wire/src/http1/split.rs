//! Splits a message into pieces that are written one at a time.
//!
//! A piece is one write of the sender. The network may join or split pieces again, so a scenario that needs the
//! peer to have *read* a piece must wait for evidence of that.

use thiserror::Error;

/// A position between two bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitPoint {
    /// This many bytes from the start.
    Offset(usize),
    /// This many bytes from the end.
    FromEnd(usize),
    /// Before the first occurrence of these bytes.
    Before(Vec<u8>),
    /// After the first occurrence of these bytes; `\r\n\r\n` is the end of the head.
    After(Vec<u8>),
}

/// How a message is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// One piece.
    Whole,
    /// One piece per byte.
    ByteByByte,
    /// At these positions, in any order; duplicates count once.
    At(Vec<SplitPoint>),
}

/// A position that does not exist in the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// An offset beyond the message.
    #[error("cannot split at byte {offset}: the message has {length} bytes")]
    Outside {
        /// The requested offset.
        offset: usize,
        /// Bytes of the message.
        length: usize,
    },
    /// A mark that is empty or not in the message.
    #[error("cannot split at `{mark}`: it is not in the message")]
    NoMark {
        /// The mark, with unprintable bytes escaped.
        mark: String,
    },
}

impl Split {
    /// Returns the nonempty pieces of `bytes`, in order.
    ///
    /// # Errors
    /// A position that does not exist in `bytes`.
    pub fn pieces<'a>(&self, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, SplitError> {
        let mut positions = match self {
            Self::Whole => Vec::new(),
            Self::ByteByByte => return Ok(bytes.chunks(1).collect()),
            Self::At(points) => points
                .iter()
                .map(|point| point.find(bytes))
                .collect::<Result<_, _>>()?,
        };
        positions.push(bytes.len());
        positions.sort_unstable();
        let mut start = 0;
        let pieces = positions
            .into_iter()
            .map(|end| &bytes[std::mem::replace(&mut start, end)..end]);
        Ok(pieces.filter(|piece| !piece.is_empty()).collect())
    }
}

impl SplitPoint {
    fn find(&self, bytes: &[u8]) -> Result<usize, SplitError> {
        let outside = |&offset: &usize| SplitError::Outside {
            offset,
            length: bytes.len(),
        };
        match self {
            Self::Offset(offset) if *offset <= bytes.len() => Ok(*offset),
            Self::FromEnd(offset) => bytes.len().checked_sub(*offset).ok_or_else(|| outside(offset)),
            Self::Offset(offset) => Err(outside(offset)),
            Self::Before(mark) => position(bytes, mark),
            Self::After(mark) => position(bytes, mark).map(|at| at + mark.len()),
        }
    }
}

fn position(bytes: &[u8], mark: &[u8]) -> Result<usize, SplitError> {
    let found = (!mark.is_empty()).then(|| bytes.windows(mark.len()).position(|window| window == mark));
    found.flatten().ok_or_else(|| SplitError::NoMark {
        mark: mark.escape_ascii().to_string(),
    })
}
