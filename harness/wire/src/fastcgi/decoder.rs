//! Finds records in bytes that arrive in any pieces.
//!
//! Records are lent out of the receive buffer, not copied: the caller looks at one, decides, and asks for the
//! next. The price is a borrow that ends before more bytes can be fed.
//!
//! What is kept is what has arrived and not been taken: a header that promises 65535 bytes reserves none.

use super::{Record, RecordError};

/// An incremental reader of records.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next record starts; everything before it has been lent out.
    start: usize,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Takes what has arrived, in pieces of any size.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record that has arrived whole, with its padding.
    ///
    /// Only lengths are looked at: what a record of another version means is for the caller to say.
    pub fn next_record(&mut self) -> Option<Record<&[u8]>> {
        match Record::new_checked(&self.buffer[self.start..]) {
            Ok(record) => {
                self.start += record.total_len();
                Some(record)
            }
            Err(_) => None,
        }
    }

    /// The next record's version as soon as its first byte is there, so that a foreign protocol is noticed
    /// before its idea of a length is waited for.
    pub fn peek_version(&self) -> Option<u8> {
        self.buffer.get(self.start).copied()
    }

    /// Whether everything fed has been lent out.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Bytes of the unfinished record, or of records not yet asked for.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Bytes held, for tests of the memory bound.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// What an end of input means now: nothing between records, a cut record otherwise.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn finish(&self) -> Result<(), RecordError> {
        if self.is_empty() {
            Ok(())
        } else {
            Record::new_checked(self.pending()).map(|_| ())
        }
    }
}
