//! Records with any bytes in any field, for saying what nobody should say.
//!
//! The strict way is `Repr::append_to`. This one checks nothing: a length may lie about the content, a type
//! may be undefined, a body may have seven bytes. The reader who wonders why it does not share `Record`'s
//! setters: those need a buffer the lengths fit in, and here they need not fit.

use super::{HEADER_LEN, Kind, VERSION};

/// One record to be written exactly as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Protocol version.
    pub version: u8,
    /// Record type.
    pub kind: Kind,
    /// Request id.
    pub id: u16,
    /// Content length in the header; the content's own when `None`.
    pub content_len: Option<u16>,
    /// Padding length in the header; the padding's own when `None`.
    pub padding_len: Option<u8>,
    /// Last header byte.
    pub reserved: u8,
    /// Bytes after the header.
    pub content: Vec<u8>,
    /// Bytes after the content; need not be zero.
    pub padding: Vec<u8>,
}

impl RawRecord {
    /// A well-formed record without padding, to be spoilt field by field.
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

    /// Appends the bytes. Lengths that are not given and do not fit their field keep their low bits only.
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
