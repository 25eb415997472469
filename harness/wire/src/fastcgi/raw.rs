//! Records with any bytes in any field, for invalid input.
//!
//! Unlike `Repr::append_to`, this module checks nothing: a length may differ from the content, a type may be
//! undefined, a body may have seven bytes. It cannot use the setters of `Record`, because those need a buffer that
//! matches the lengths.

use super::{HEADER_LEN, Kind, VERSION};

/// One record, written exactly as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Protocol version.
    pub version: u8,
    /// Record type.
    pub kind: Kind,
    /// Request id.
    pub id: u16,
    /// Content length in the header; `None` for the actual one.
    pub content_len: Option<u16>,
    /// Padding length in the header; `None` for the actual one.
    pub padding_len: Option<u8>,
    /// Reserved byte, the last one of the header.
    pub reserved: u8,
    /// Bytes after the header.
    pub content: Vec<u8>,
    /// Bytes after the content, not necessarily zero.
    pub padding: Vec<u8>,
}

impl RawRecord {
    /// Creates a valid record without padding, whose fields can then be changed.
    pub fn new(kind: Kind, id: u16, content: impl Into<Vec<u8>>) -> Self {
        Self {
            version: VERSION,
            kind,
            id,
            content_len: None,
            padding_len: None,
            reserved: 0,
            content: content.into(),
            padding: Vec::new(),
        }
    }

    /// Appends the bytes. An actual length that does not fit its field is truncated to the low bits.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        let content_len = self.content_len.unwrap_or(self.content.len() as u16);
        let padding_len = self.padding_len.unwrap_or(self.padding.len() as u8);
        let [id_high, id_low] = self.id.to_be_bytes();
        let [len_high, len_low] = content_len.to_be_bytes();
        let kind = self.kind.into();
        let header: [u8; HEADER_LEN] = [
            self.version,
            kind,
            id_high,
            id_low,
            len_high,
            len_low,
            padding_len,
            self.reserved,
        ];
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&self.content);
        bytes.extend_from_slice(&self.padding);
    }
}
