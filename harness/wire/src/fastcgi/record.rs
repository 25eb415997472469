//! A view over the bytes of one record.
//!
//! The buffer may be longer than the record: bytes after [`Record::total_len`] are ignored, so that a view can be the
//! front of a receive buffer. The header of the parent module states when methods panic.

use thiserror::Error;

use super::{HEADER_LEN, Kind};

/// Offsets of the fields (§3.3).
mod field {
    use std::ops::Range;

    pub(super) const VERSION: usize = 0;
    pub(super) const KIND: usize = 1;
    pub(super) const ID: Range<usize> = 2..4;
    pub(super) const CONTENT_LEN: Range<usize> = 4..6;
    pub(super) const PADDING_LEN: usize = 6;
    pub(super) const RESERVED: usize = 7;
}

/// Why bytes are not a record, or why a record is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Fewer bytes than the header, or than its lengths announce.
    #[error("{have} bytes of a record of {need}")]
    Truncated {
        /// Number of bytes.
        have: usize,
        /// Bytes of the whole record; 8 while the header is incomplete.
        need: usize,
    },
    /// Not version 1 (§3.3).
    #[error("version {0}, not 1")]
    Version(u8),
    /// A discrete record of fixed size has another size (§4.2, §5.1, §5.5).
    #[error("{kind} with {len} bytes of content, not {expected}")]
    ContentLen {
        /// The record's type.
        kind: Kind,
        /// Its content bytes.
        len: usize,
        /// The required content bytes.
        expected: usize,
    },
    /// A management record has an id, or an application record has the null id (§3.3).
    #[error("{kind} with id {id}")]
    Id {
        /// The record's type.
        kind: Kind,
        /// Its id.
        id: u16,
    },
    /// The content exceeds 65535 bytes, or the buffer is too short.
    #[error("{content} bytes of content and {padding} of padding do not fit")]
    TooLong {
        /// Content bytes to write.
        content: usize,
        /// Padding bytes to write.
        padding: usize,
    },
}

/// A view over the bytes of one record.
#[derive(Clone, Copy, Debug)]
pub struct Record<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Record<T> {
    /// Creates a view without checking the lengths.
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Creates a view whose getters cannot panic.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] if the buffer is shorter than the record.
    pub fn new_checked(buffer: T) -> Result<Self, RecordError> {
        let record = Self::new_unchecked(buffer);
        record.check_len()?;
        Ok(record)
    }

    /// Checks that the buffer holds the header, the content and the padding.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] if it does not.
    pub fn check_len(&self) -> Result<(), RecordError> {
        let have = self.buffer_len();
        let need = if have < HEADER_LEN {
            HEADER_LEN
        } else {
            self.total_len()
        };
        if have < need {
            Err(RecordError::Truncated { have, need })
        } else {
            Ok(())
        }
    }

    /// Bytes of the buffer, possibly more than those of the record.
    pub fn buffer_len(&self) -> usize {
        self.buffer.as_ref().len()
    }

    /// Returns the buffer.
    pub fn into_inner(self) -> T {
        self.buffer
    }

    /// Protocol version; 1 in every valid record.
    pub fn version(&self) -> u8 {
        self.buffer.as_ref()[field::VERSION]
    }

    /// Record type.
    pub fn kind(&self) -> Kind {
        Kind::from(self.buffer.as_ref()[field::KIND])
    }

    /// Request id; 0 in management records.
    pub fn id(&self) -> u16 {
        self.big_endian(field::ID)
    }

    /// Bytes of content.
    pub fn content_len(&self) -> usize {
        usize::from(self.big_endian(field::CONTENT_LEN))
    }

    /// Bytes of padding.
    pub fn padding_len(&self) -> usize {
        usize::from(self.buffer.as_ref()[field::PADDING_LEN])
    }

    /// The reserved byte, the last one of the header.
    pub fn reserved(&self) -> u8 {
        self.buffer.as_ref()[field::RESERVED]
    }

    /// Bytes of the whole record.
    pub fn total_len(&self) -> usize {
        HEADER_LEN + self.content_len() + self.padding_len()
    }

    fn big_endian(&self, range: std::ops::Range<usize>) -> u16 {
        let bytes = &self.buffer.as_ref()[range];
        u16::from_be_bytes([bytes[0], bytes[1]])
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Record<&'a T> {
    /// The content.
    pub fn content(&self) -> &'a [u8] {
        &self.buffer.as_ref()[HEADER_LEN..][..self.content_len()]
    }

    /// The padding.
    pub fn padding(&self) -> &'a [u8] {
        &self.buffer.as_ref()[HEADER_LEN + self.content_len()..self.total_len()]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Record<T> {
    /// Sets the protocol version.
    pub fn set_version(&mut self, version: u8) {
        self.buffer.as_mut()[field::VERSION] = version;
    }

    /// Sets the record type.
    pub fn set_kind(&mut self, kind: Kind) {
        self.buffer.as_mut()[field::KIND] = kind.into();
    }

    /// Sets the request id.
    pub fn set_id(&mut self, id: u16) {
        self.buffer.as_mut()[field::ID].copy_from_slice(&id.to_be_bytes());
    }

    /// Sets the content length in the header.
    pub fn set_content_len(&mut self, len: u16) {
        self.buffer.as_mut()[field::CONTENT_LEN].copy_from_slice(&len.to_be_bytes());
    }

    /// Sets the padding length in the header.
    pub fn set_padding_len(&mut self, len: u8) {
        self.buffer.as_mut()[field::PADDING_LEN] = len;
    }

    /// Sets the reserved byte.
    pub fn set_reserved(&mut self, reserved: u8) {
        self.buffer.as_mut()[field::RESERVED] = reserved;
    }

    /// The content for writing; its length must have been set.
    pub fn content_mut(&mut self) -> &mut [u8] {
        let len = self.content_len();
        &mut self.buffer.as_mut()[HEADER_LEN..][..len]
    }

    /// The padding for writing; both lengths must have been set.
    pub fn padding_mut(&mut self) -> &mut [u8] {
        let range = HEADER_LEN + self.content_len()..self.total_len();
        &mut self.buffer.as_mut()[range]
    }
}
