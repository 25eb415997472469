//! A reply's content: its first bytes, its length, and a hash over all bytes.
//!
//! A server under test may send a gigabyte. The 64-bit FNV-1a hash compares such replies without keeping them; it
//! does not resist forgery.

/// The content of one reply, with its transfer coding removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    kept: Vec<u8>,
    total: u64,
    fnv1a: u64,
}

impl Body {
    pub(super) fn new() -> Self {
        Self {
            kept: Vec::new(),
            total: 0,
            fnv1a: 0xcbf2_9ce4_8422_2325,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], kept_max: usize) {
        let room = kept_max.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.total += bytes.len() as u64;
        for &byte in bytes {
            self.fnv1a = (self.fnv1a ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The first bytes, at most as many as the reader's limit `body_kept_max`.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Number of bytes that arrived, kept or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether every byte that arrived is in [`Self::kept`].
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.total
    }

    /// FNV-1a over every byte that arrived.
    pub fn fnv1a(&self) -> u64 {
        self.fnv1a
    }
}
