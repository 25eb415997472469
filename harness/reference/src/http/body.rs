//! Takes a request's content off the wire, whatever its framing; knows no socket.
//!
//! Chunk sizes are read by `httparse`, made stricter in two places where a proxy might read on differently:
//! a size needs a digit, and an extension has no bare LF (RFC 9112 §7.1.1).

use super::fault::HttpFault;
use super::framing::Framing;
use super::refusal::Refusal;
use super::shared::Shared;

/// Bytes of a chunk-size line with its extension.
const SIZE_LINE_MAX: usize = 4 << 10;

/// What of a request's content is still to come.
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

    /// Takes what it can from the front of `bytes`, content into `content`; returns how many bytes it took.
    /// None taken and not done means that more have to arrive.
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
        let Some(first) = bytes.first() else { return Ok(0) };
        let parsed = match httparse::parse_chunk_size(bytes) {
            Ok(_) if !first.is_ascii_hexdigit() => Err(Refusal::Malformed),
            Ok(httparse::Status::Partial) if bytes.len() > SIZE_LINE_MAX => Err(Refusal::Malformed),
            Ok(parsed) => Ok(parsed),
            Err(_) => Err(Refusal::Malformed),
        };
        let (used, size) = match parsed {
            Ok(httparse::Status::Partial) => return Ok(0),
            Ok(httparse::Status::Complete(parsed)) => parsed,
            Err(_) if shared.has(HttpFault::BadChunkSizeIsZero) => {
                let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
                    return Ok(0);
                };
                (end + 1, 0)
            }
            Err(refusal) => return Err(refusal),
        };
        let line = &bytes[..used - 2];
        let refused = line.contains(&b'\n') && !shared.has(HttpFault::BadChunkSizeIsZero);
        if refused || (line.contains(&b';') && shared.has(HttpFault::ChunkExtensionRefused)) {
            return Err(Refusal::Malformed);
        }
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

    /// Trailer fields are read and dropped: no handler has a use for them (RFC 9112 §7.1.2).
    fn trailers(&mut self, bytes: &[u8], shared: &Shared) -> Result<usize, Refusal> {
        if shared.has(HttpFault::TrailersLeftInStream) && bytes.len() >= 2 {
            *self = Self::Done;
            return Ok(if bytes.starts_with(b"\r\n") { 2 } else { 0 });
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        match httparse::parse_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete((used, _))) => {
                *self = Self::Done;
                Ok(used)
            }
            Ok(httparse::Status::Partial) if bytes.len() < shared.settings.head_bytes_max => Ok(0),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(Refusal::Fields),
            Err(_) => Err(Refusal::Malformed),
        }
    }
}

fn data(bytes: &[u8], left: u64, content: &mut Vec<u8>) -> usize {
    let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    content.extend_from_slice(&bytes[..used]);
    used
}
