//! A reply's content: the first bytes, how many there were, and a hash over all of them.
//!
//! A server under test may send a gigabyte; two of them can still be compared without being kept. The hash
//! is FNV-1a, 64 bits: it tells replies apart, it does not withstand somebody who forges one.

/// The content of one reply after its transfer coding was taken off.
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

    /// How many bytes arrived, kept or not.
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
