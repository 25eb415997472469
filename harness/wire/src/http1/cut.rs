//! Where a message is cut into the pieces that are written one at a time.
//!
//! A pure function from bytes to segments. Pieces are what the sender writes; the network may join or split
//! them again, so a scenario that needs the peer to have *read* a piece must wait for a sign of it.

use thiserror::Error;

/// A place between two bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutPoint {
    /// That many bytes from the start.
    Offset(usize),
    /// That many bytes from the end.
    FromEnd(usize),
    /// Before the first occurrence of a mark.
    Before(Vec<u8>),
    /// Behind the first occurrence of a mark; `\r\n\r\n` is the end of the head.
    After(Vec<u8>),
}

/// How a message is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// One piece.
    Whole,
    /// A piece for each byte.
    ByteByByte,
    /// At these places, in any order; the same place twice is one cut.
    At(Vec<CutPoint>),
}

/// A place that the message does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CutError {
    /// An offset past the end.
    #[error("cannot cut at {offset} from one end: the message has {length} bytes")]
    Outside {
        /// What was asked for.
        offset: usize,
        /// What there is.
        length: usize,
    },
    /// A mark that does not occur, or is empty.
    #[error("cannot cut at `{mark}`: it is not in the message")]
    NoMark {
        /// The mark with unprintable bytes escaped.
        mark: String,
    },
}

impl Cut {
    /// The pieces, none of them empty; together they are `bytes`.
    ///
    /// # Errors
    /// A place that `bytes` does not have.
    pub fn segments<'a>(&self, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, CutError> {
        let mut places = match self {
            Self::Whole => Vec::new(),
            Self::ByteByByte => return Ok(bytes.chunks(1).collect()),
            Self::At(places) => places
                .iter()
                .map(|place| place.find(bytes))
                .collect::<Result<_, _>>()?,
        };
        places.push(bytes.len());
        places.sort_unstable();
        let mut start = 0;
        let pieces = places
            .into_iter()
            .map(|end| &bytes[std::mem::replace(&mut start, end)..end]);
        Ok(pieces.filter(|piece| !piece.is_empty()).collect())
    }
}

impl CutPoint {
    fn find(&self, bytes: &[u8]) -> Result<usize, CutError> {
        let outside = |&offset: &usize| CutError::Outside {
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

fn position(bytes: &[u8], mark: &[u8]) -> Result<usize, CutError> {
    let found = (!mark.is_empty()).then(|| bytes.windows(mark.len()).position(|window| window == mark));
    found.flatten().ok_or_else(|| CutError::NoMark {
        mark: mark.escape_ascii().to_string(),
    })
}
