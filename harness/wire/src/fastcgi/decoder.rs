//! Finds records in bytes that arrive in any pieces.
//!
//! The decoder returns records as borrows of its buffer, without copying. A borrow must end before more bytes can be
//! fed. The buffer holds only bytes that have arrived: a header that announces 65535 bytes allocates none of them.

use super::{Record, RecordError};

/// An incremental reader of records.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Start of the next record; the records before it have been returned.
    start: usize,
}

impl Decoder {
    /// Creates an empty decoder.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Adds bytes that have arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete record, with its padding.
    ///
    /// Checks only lengths; the caller handles records of other versions.
    pub fn next_record(&mut self) -> Option<Record<&[u8]>> {
        match Record::new_checked(&self.buffer[self.start..]) {
            Ok(record) => {
                self.start += record.total_len();
                Some(record)
            }
            Err(_) => None,
        }
    }

    /// The version of the next record, once its first byte has arrived. It reveals another protocol before the
    /// decoder waits for bytes that the wrong length announces.
    pub fn peek_version(&self) -> Option<u8> {
        self.buffer.get(self.start).copied()
    }

    /// Whether all bytes have been returned as records.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Bytes of the incomplete record, or of records that have not been returned.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Capacity of the buffer in bytes, for tests of the memory limit.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Handles the end of the input.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] if the input ended inside a record.
    pub fn finish(&self) -> Result<(), RecordError> {
        if self.is_empty() {
            Ok(())
        } else {
            Record::new_checked(self.pending()).map(|_| ())
        }
    }
}
