//! The parts of a reply.
//!
//! [`Framing`] states how the reader found the end of the content, not what the fields announced: a reply with both
//! `Transfer-Encoding` and `Content-Length` is `Chunked`, and the offending line is still in `fields`.

use super::body::Body;
use super::field::{FieldLine, has_element};

/// The first line of a reply (RFC 9112 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// As sent, such as `HTTP/1.1`; the reader accepts any two digits.
    pub version: String,
    /// Three digits, 100 to 999.
    pub code: u16,
    /// The reason phrase, often empty.
    pub reason: Vec<u8>,
}

impl StatusLine {
    /// Parses a line without its line end; `None` unless it is `HTTP/d.d ddd[ reason]`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (version, rest) = line.split_at_checked(8)?;
        let well_formed = version.starts_with(b"HTTP/")
            && version[5].is_ascii_digit()
            && version[6] == b'.'
            && version[7].is_ascii_digit();
        let (code, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
        if !well_formed || !code.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let reason = match reason {
            [] => reason,
            [b' ', reason @ ..] => reason,
            _ => return None,
        };
        let code = code
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let version = String::from_utf8(version.to_vec()).ok()?;
        (code >= 100).then(|| Self {
            version,
            code,
            reason: reason.to_vec(),
        })
    }
}

/// A status line and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status line.
    pub status: StatusLine,
    /// The field lines in the order and spelling they were sent.
    pub fields: Vec<FieldLine>,
    /// Whether any line ended in LF alone.
    pub bare_lf: bool,
}

impl Head {
    /// Whether `Connection` has this option in any of its lines (RFC 9110 §7.6.1).
    pub fn has_connection_option(&self, option: &str) -> bool {
        has_element(&self.fields, "connection", option)
    }
}

/// How the end of the content was found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The reply has no content by definition: to HEAD, 204, 304.
    None,
    /// This many bytes.
    ContentLength(u64),
    /// A chunk of size zero and the trailer section.
    Chunked,
    /// Neither field was present: all bytes until the connection ends.
    UntilClose,
    /// 101, or 2xx to CONNECT: the following bytes are not HTTP.
    Tunnel,
}

/// A final reply and the interim replies before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Interim replies, 1xx other than 101, in order.
    pub interim: Vec<Head>,
    /// The final reply's head.
    pub head: Head,
    /// How its end was found.
    pub framing: Framing,
    /// Its content.
    pub body: Body,
    /// The trailer fields of a chunked reply.
    pub trailers: Vec<FieldLine>,
    /// Number of empty lines before the status line, where none is allowed.
    pub stray_line_ends: usize,
    /// Whether a request was waiting for it. A 408 on an idle connection answers no request.
    pub solicited: bool,
}

impl Response {
    /// The final status code.
    pub fn code(&self) -> u16 {
        self.head.status.code
    }

    /// Whether the final reply announces the end of the connection (RFC 9112 §9.6).
    pub fn says_close(&self) -> bool {
        self.head.has_connection_option("close")
    }

    /// Whether the final reply grants persistence to an HTTP/1.0 client (RFC 9112 appendix C.2.2).
    pub fn says_keep_alive(&self) -> bool {
        self.head.has_connection_option("keep-alive")
    }
}
