//! Decodes a request's content from bytes that have been read, in any framing. Does no I/O.
//!
//! `httparse` parses chunk sizes. Two rules are stricter here, because a proxy may parse such input differently:
//! a size needs at least one digit, and an extension contains no bare LF (RFC 9112 §7.1.1).

use super::framing::Framing;
use super::refusal::Refusal;
use super::shared::Shared;

/// Limit in bytes of a chunk-size line with its extension.
const SIZE_LINE_MAX: usize = 4 << 10;

/// Which part of a request's content comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers,
    Done,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::ChunkSize,
        }
    }

    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Decodes the front of `bytes`, appends the content to `content` and returns the number of bytes decoded.
    /// A return of 0 before [`Body::is_done`] means that more bytes have to arrive.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        content: &mut Vec<u8>,
        shared: &Shared,
    ) -> Result<usize, Refusal> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let used = match *self {
                Self::Done => 0,
                Self::Length { left } => {
                    let used = data(rest, left, content);
                    *self = match left - used as u64 {
                        0 => Self::Done,
                        left => Self::Length { left },
                    };
                    used
                }
                Self::ChunkData { left } => {
                    let used = data(rest, left, content);
                    *self = match left - used as u64 {
                        0 => Self::ChunkEnd,
                        left => Self::ChunkData { left },
                    };
                    used
                }
                Self::ChunkSize => self.chunk_size(rest, shared)?,
                Self::ChunkEnd => self.chunk_end(rest)?,
                Self::Trailers => self.trailers(rest, shared)?,
            };
            if used == 0 {
                return Ok(taken);
            }
            taken += used;
        }
    }

    fn chunk_size(&mut self, bytes: &[u8], shared: &Shared) -> Result<usize, Refusal> {
        let Some((used, size)) = shared.hooks.chunk_size(bytes, parse_chunk_size(bytes))? else {
            return Ok(0);
        };
        *self = match size {
            0 => Self::Trailers,
            left => Self::ChunkData { left },
        };
        Ok(used)
    }

    fn chunk_end(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match bytes {
            [] | [b'\r'] => Ok(0),
            [b'\r', b'\n', ..] => {
                *self = Self::ChunkSize;
                Ok(2)
            }
            _ => Err(Refusal::Malformed),
        }
    }

    /// Drops the trailer fields: no handler uses them (RFC 9112 §7.1.2).
    fn trailers(&mut self, bytes: &[u8], shared: &Shared) -> Result<usize, Refusal> {
        let parsed = parse_trailers(bytes, shared.settings.head_bytes_max);
        let Some(used) = shared.hooks.trailers(bytes, parsed)? else {
            return Ok(0);
        };
        *self = Self::Done;
        Ok(used)
    }
}

/// The length of the chunk-size line at the front of `bytes` and the size it states; `None` while it is incomplete.
fn parse_chunk_size(bytes: &[u8]) -> Result<Option<(usize, u64)>, Refusal> {
    match (bytes.first(), httparse::parse_chunk_size(bytes)) {
        (None, _) => Ok(None),
        (Some(first), Ok(_)) if !first.is_ascii_hexdigit() => Err(Refusal::Malformed),
        (_, Ok(httparse::Status::Partial)) if bytes.len() > SIZE_LINE_MAX => Err(Refusal::Malformed),
        (_, Ok(httparse::Status::Partial)) => Ok(None),
        (_, Ok(httparse::Status::Complete((used, _)))) if bytes[..used - 2].contains(&b'\n') => {
            Err(Refusal::Malformed)
        }
        (_, Ok(httparse::Status::Complete(line))) => Ok(Some(line)),
        (_, Err(_)) => Err(Refusal::Malformed),
    }
}

/// The length of the trailer section at the front of `bytes`; `None` while it is incomplete.
fn parse_trailers(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete((used, _))) => Ok(Some(used)),
        Ok(httparse::Status::Partial) if bytes.len() < bytes_max => Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(Refusal::Fields),
        Err(_) => Err(Refusal::Malformed),
    }
}

fn data(bytes: &[u8], left: u64, content: &mut Vec<u8>) -> usize {
    let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    content.extend_from_slice(&bytes[..used]);
    used
}
