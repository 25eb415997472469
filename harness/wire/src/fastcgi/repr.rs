//! The parsed form of one record.
//!
//! `parse` checks what the specification fixes (version, sizes of the discrete bodies, which types have the null id)
//! and ignores what it leaves open (padding, reserved bytes, flag bits other than the first). A transcript still
//! shows a record that `parse` refuses, and `RawRecord` can still send it.

use super::{
    CONTENT_LEN_MAX, HEADER_LEN, Kind, NULL_ID, ProtocolStatus, Record, RecordError, Role, Stream, VERSION,
};

/// Bytes of content in BEGIN_REQUEST, END_REQUEST and UNKNOWN_TYPE (§4.2, §5.1, §5.5).
const BODY_LEN: usize = 8;
/// The only defined flag of BEGIN_REQUEST (§5.1, FCGI_KEEP_CONN).
const KEEP_CONN: u8 = 1;

/// One parsed record, with borrowed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repr<'a> {
    /// A request starts (§5.1).
    Begin {
        /// Request id, never 0.
        id: u16,
        /// Requested role.
        role: Role,
        /// Whether the application leaves the connection open after this request.
        keep_conn: bool,
    },
    /// The web server aborts a request (§5.4).
    Abort {
        /// Request id, never 0.
        id: u16,
    },
    /// The application has finished a request (§5.5).
    End {
        /// Request id, never 0.
        id: u16,
        /// The exit status that a CGI program would have returned.
        app_status: u32,
        /// How the request ended, for the protocol.
        protocol_status: ProtocolStatus,
    },
    /// A piece of a stream; an empty piece ends the stream (§3.3).
    Stream {
        /// Which stream.
        stream: Stream,
        /// Request id, never 0.
        id: u16,
        /// The bytes. The boundaries of pieces have no meaning.
        content: &'a [u8],
    },
    /// The web server asks for variables: pairs with empty values (§4.1).
    GetValues {
        /// Encoded pairs, see [`super::pairs`].
        content: &'a [u8],
    },
    /// The application's answer (§4.1).
    GetValuesResult {
        /// Encoded pairs.
        content: &'a [u8],
    },
    /// The application does not know the type of a management record (§4.2).
    UnknownType {
        /// The unknown type.
        unknown: Kind,
    },
    /// A type that the specification does not define.
    Other {
        /// The number of the type.
        number: u8,
        /// Any id; a record with the null id is a management record.
        id: u16,
        /// The content.
        content: &'a [u8],
    },
}

impl<'a> Repr<'a> {
    /// Parses a record.
    ///
    /// # Errors
    /// [`RecordError`] if the record is truncated, has another version, a body of the wrong size, or an id that its
    /// type cannot have.
    pub fn parse<T: AsRef<[u8]> + ?Sized>(record: &Record<&'a T>) -> Result<Self, RecordError> {
        record.check_len()?;
        if record.version() != VERSION {
            return Err(RecordError::Version(record.version()));
        }
        let (kind, id, content) = (record.kind(), record.id(), record.content());
        check_id(kind, id)?;
        Ok(match kind {
            Kind::BeginRequest => {
                let body = body(kind, content)?;
                let role = Role::from(u16::from_be_bytes([body[0], body[1]]));
                Self::Begin {
                    id,
                    role,
                    keep_conn: body[2] & KEEP_CONN != 0,
                }
            }
            Kind::AbortRequest => Self::Abort { id },
            Kind::EndRequest => {
                let body = body(kind, content)?;
                let app_status = u32::from_be_bytes([body[0], body[1], body[2], body[3]]);
                Self::End {
                    id,
                    app_status,
                    protocol_status: ProtocolStatus::from(body[4]),
                }
            }
            Kind::Stream(stream) => Self::Stream { stream, id, content },
            Kind::GetValues => Self::GetValues { content },
            Kind::GetValuesResult => Self::GetValuesResult { content },
            Kind::UnknownType => Self::UnknownType {
                unknown: Kind::from(body(kind, content)?[0]),
            },
            Kind::Other(number) => Self::Other { number, id, content },
        })
    }

    /// Record type.
    pub const fn kind(&self) -> Kind {
        match *self {
            Self::Begin { .. } => Kind::BeginRequest,
            Self::Abort { .. } => Kind::AbortRequest,
            Self::End { .. } => Kind::EndRequest,
            Self::Stream { stream, .. } => Kind::Stream(stream),
            Self::GetValues { .. } => Kind::GetValues,
            Self::GetValuesResult { .. } => Kind::GetValuesResult,
            Self::UnknownType { .. } => Kind::UnknownType,
            Self::Other { number, .. } => Kind::Other(number),
        }
    }

    /// Request id; 0 for management records.
    pub const fn id(&self) -> u16 {
        match *self {
            Self::Begin { id, .. }
            | Self::Abort { id }
            | Self::End { id, .. }
            | Self::Stream { id, .. }
            | Self::Other { id, .. } => id,
            Self::GetValues { .. } | Self::GetValuesResult { .. } | Self::UnknownType { .. } => NULL_ID,
        }
    }

    /// Number of content bytes that `emit` writes.
    pub const fn content_len(&self) -> usize {
        match *self {
            Self::Begin { .. } | Self::End { .. } | Self::UnknownType { .. } => BODY_LEN,
            Self::Abort { .. } => 0,
            Self::Stream { content, .. }
            | Self::GetValues { content }
            | Self::GetValuesResult { content }
            | Self::Other { content, .. } => content.len(),
        }
    }

    /// Writes the record to the front of a buffer, with `padding_len` zero bytes after its content.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if the content exceeds 65535 bytes or the buffer is too short.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        record: &mut Record<T>,
        padding_len: u8,
    ) -> Result<(), RecordError> {
        let (content, padding) = (self.content_len(), usize::from(padding_len));
        let content_len = u16::try_from(content).map_err(|_| RecordError::TooLong { content, padding })?;
        if record.buffer_len() < HEADER_LEN + content + padding {
            return Err(RecordError::TooLong { content, padding });
        }
        record.set_version(VERSION);
        record.set_kind(self.kind());
        record.set_id(self.id());
        record.set_content_len(content_len);
        record.set_padding_len(padding_len);
        record.set_reserved(0);
        self.emit_content(record.content_mut());
        record.padding_mut().fill(0);
        Ok(())
    }

    /// Appends the record, padded with zeros to a multiple of eight bytes as §3.3 recommends.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] if the content exceeds 65535 bytes; nothing is appended then.
    pub fn append_to(&self, bytes: &mut Vec<u8>) -> Result<(), RecordError> {
        let content = self.content_len();
        if content > CONTENT_LEN_MAX {
            return Err(RecordError::TooLong { content, padding: 0 });
        }
        let padding_len = alignment(content);
        let start = bytes.len();
        bytes.resize(start + HEADER_LEN + content + usize::from(padding_len), 0);
        self.emit(&mut Record::new_unchecked(&mut bytes[start..]), padding_len)
    }

    fn emit_content(&self, out: &mut [u8]) {
        match *self {
            Self::Begin { role, keep_conn, .. } => {
                out.fill(0);
                out[..2].copy_from_slice(&u16::from(role).to_be_bytes());
                out[2] = if keep_conn { KEEP_CONN } else { 0 };
            }
            Self::End {
                app_status,
                protocol_status,
                ..
            } => {
                out.fill(0);
                out[..4].copy_from_slice(&app_status.to_be_bytes());
                out[4] = protocol_status.into();
            }
            Self::UnknownType { unknown } => {
                out.fill(0);
                out[0] = unknown.into();
            }
            Self::Abort { .. } => {}
            Self::Stream { content, .. }
            | Self::GetValues { content }
            | Self::GetValuesResult { content }
            | Self::Other { content, .. } => out.copy_from_slice(content),
        }
    }
}

/// The padding that makes the length of a record a multiple of eight.
fn alignment(content_len: usize) -> u8 {
    u8::try_from(content_len.wrapping_neg() % 8).expect("a remainder of 8 fits a byte")
}

/// The type determines whether the id is the null id (Appendix A); undefined types may have any id.
fn check_id(kind: Kind, id: u16) -> Result<(), RecordError> {
    let fits = match kind {
        Kind::GetValues | Kind::GetValuesResult | Kind::UnknownType => id == NULL_ID,
        Kind::Other(_) => true,
        _ => id != NULL_ID,
    };
    if fits {
        Ok(())
    } else {
        Err(RecordError::Id { kind, id })
    }
}

fn body(kind: Kind, content: &[u8]) -> Result<&[u8; BODY_LEN], RecordError> {
    content.try_into().map_err(|_| RecordError::ContentLen {
        kind,
        len: content.len(),
        expected: BODY_LEN,
    })
}
