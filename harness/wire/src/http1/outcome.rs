//! Limits of a reader, and its results when there is no further reply.

use thiserror::Error;

use super::response::Response;

/// How much output of a hostile server the reader accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one head, of one trailer section, of one chunk-size line.
    pub head_bytes_max: usize,
    /// Bytes of one reply's content that are kept; the rest is counted and hashed.
    pub body_kept_max: usize,
    /// Most bytes of one reply's content; reading stops beyond it.
    pub body_bytes_max: u64,
    /// Interim replies before one final reply.
    pub interim_max: usize,
    /// Complete replies that the caller has not taken.
    pub responses_max: usize,
    /// Bytes kept of input that is not a reply.
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
    /// The bytes where a status line should be are something else.
    #[error("no status line")]
    StatusLine,
    /// A head, a trailer section or a chunk-size line is too long.
    #[error("a head of more than {max} bytes")]
    HeadTooLong {
        /// The exceeded limit.
        max: usize,
    },
    /// `Content-Length` is not a number, or has several different values (RFC 9112 §6.3).
    #[error("no usable content length")]
    ContentLength,
    /// A chunk-size line has no hexadecimal number (RFC 9112 §7.1).
    #[error("no chunk size")]
    ChunkSize,
    /// No line end follows the data of a chunk.
    #[error("no line end after a chunk")]
    ChunkEnd,
    /// The content is longer than the limit.
    #[error("a body of more than {max} bytes")]
    BodyTooLong {
        /// The exceeded limit.
        max: u64,
    },
    /// Too many interim replies without a final one.
    #[error("more than {max} interim replies")]
    TooManyInterim {
        /// The exceeded limit.
        max: usize,
    },
    /// Too many complete replies that the caller has not taken.
    #[error("more than {max} replies at once")]
    TooManyResponses {
        /// The exceeded limit.
        max: usize,
    },
}

/// The bytes after the last complete reply when the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// None: the connection ended between two replies.
    Nothing,
    /// An incomplete head; at most `leftover_kept_max` of its bytes.
    Head(Vec<u8>),
    /// A reply with incomplete content.
    Body(Box<Response>),
    /// Bytes after a 101 or a 2xx to CONNECT.
    Tunnel(Vec<u8>),
    /// Bytes that are not a reply, from the first unreadable one.
    Malformed {
        /// Why they are unreadable.
        error: ReadError,
        /// The first bytes, at most `leftover_kept_max`.
        kept: Vec<u8>,
        /// Number of bytes.
        total: u64,
    },
}
