//! How much a reader takes in, and what it says when there is no further reply.
//!
//! Everything here is a value the caller chooses or shows; the reader itself is in `reader`.

use thiserror::Error;

use super::response::Response;

/// How much of a hostile server's output is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, of one trailer section, of one chunk-size line.
    pub head_bytes_max: usize,
    /// Bytes of one reply's content that are kept; the rest is counted and hashed.
    pub body_kept_max: usize,
    /// Bytes of one reply's content at which reading stops.
    pub body_bytes_max: u64,
    /// Interim replies before one final reply.
    pub interim_max: usize,
    /// Finished replies that wait to be taken.
    pub responses_max: usize,
    /// Bytes kept of what is no reply.
    pub leftover_kept_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 << 10,
            body_kept_max: 4 << 10,
            body_bytes_max: 64 << 20,
            interim_max: 16,
            responses_max: 256,
            leftover_kept_max: 256,
        }
    }
}

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes at the place of a status line are something else.
    #[error("no status line")]
    StatusLine,
    /// A head, a trailer section or a chunk-size line without end.
    #[error("a head of more than {max} bytes")]
    HeadTooLong {
        /// The limit that was passed.
        max: usize,
    },
    /// `Content-Length` is no number, or several that differ (RFC 9112 §6.3).
    #[error("no usable content length")]
    ContentLength,
    /// A chunk-size line without a hexadecimal number (RFC 9112 §7.1).
    #[error("no chunk size")]
    ChunkSize,
    /// A chunk's data is not followed by a line end.
    #[error("no line end after a chunk")]
    ChunkEnd,
    /// More content than the caller wants to wait for.
    #[error("a body of more than {max} bytes")]
    BodyTooLong {
        /// The limit that was passed.
        max: u64,
    },
    /// Interim replies without a final one.
    #[error("more than {max} interim replies")]
    TooManyInterim {
        /// The limit that was passed.
        max: usize,
    },
    /// Replies that nobody asked for, without end.
    #[error("more than {max} replies at once")]
    TooManyResponses {
        /// The limit that was passed.
        max: usize,
    },
}

/// What was on the wire behind the last complete reply when the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the connection ended between two replies.
    Nothing,
    /// A head that was not finished; at most `leftover_kept_max` of its bytes.
    Head(Vec<u8>),
    /// A reply whose content was cut.
    Body(Box<Response>),
    /// Bytes behind a 101 or a 2xx to CONNECT.
    Tunnel(Vec<u8>),
    /// Bytes that are no reply, from the one that could not be read on.
    Malformed {
        /// What is wrong with them.
        error: ReadError,
        /// The first of them.
        kept: Vec<u8>,
        /// How many there were.
        total: u64,
    },
}
