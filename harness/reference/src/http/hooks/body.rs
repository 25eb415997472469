//! Faults in reading a request's content.

use super::super::refusal::Refusal;
use super::{Hooks, HttpFault};

impl Hooks {
    /// The length of the chunk-size line at the front of `bytes` and the size it states.
    pub(in crate::http) fn chunk_size(
        self,
        bytes: &[u8],
        decided: Result<Option<(usize, u64)>, Refusal>,
    ) -> Result<Option<(usize, u64)>, Refusal> {
        match decided {
            Err(_) if self.has(HttpFault::BadChunkSizeIsZero) => {
                let line_end = bytes.iter().position(|&byte| byte == b'\n');
                Ok(line_end.map(|end| (end + 1, 0)))
            }
            Ok(Some((length, _)))
                if self.has(HttpFault::ChunkExtensionRefused) && bytes[..length].contains(&b';') =>
            {
                Err(Refusal::Malformed)
            }
            Ok(_) | Err(_) => decided,
        }
    }

    /// The length of the trailer section at the front of `bytes`.
    pub(in crate::http) fn trailers(
        self,
        bytes: &[u8],
        decided: Result<Option<usize>, Refusal>,
    ) -> Result<Option<usize>, Refusal> {
        if self.has(HttpFault::TrailersLeftInStream) && bytes.len() >= 2 {
            return Ok(Some(if bytes.starts_with(b"\r\n") { 2 } else { 0 }));
        }
        decided
    }
}
