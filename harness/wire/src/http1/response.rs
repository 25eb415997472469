//! What a reply consists of.
//!
//! The framing says how the reader found the end of the content, not what the fields promised: a reply with
//! both `Transfer-Encoding` and `Content-Length` is `Chunked` and the offending line is still in `fields`.

use super::body::Body;
use super::field::{FieldLine, has_element};

/// The first line of a reply (RFC 9112 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// As sent, `HTTP/1.1`; any two digits are taken.
    pub version: String,
    /// Three digits, 100 to 999.
    pub code: u16,
    /// The reason phrase, often empty.
    pub reason: Vec<u8>,
}

impl StatusLine {
    /// Reads a line without its line end; `None` where it is not `HTTP/d.d ddd[ reason]`.
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
    /// The first line.
    pub status: StatusLine,
    /// The field lines in the order and spelling they were sent.
    pub fields: Vec<FieldLine>,
    /// Whether any line ended in LF alone.
    pub bare_lf: bool,
}

impl Head {
    /// Whether `Connection` has that option in any of its lines (RFC 9110 §7.6.1).
    pub fn has_connection_option(&self, option: &str) -> bool {
        has_element(&self.fields, "connection", option)
    }
}

/// How the end of the content was found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No content by rule: reply to HEAD, 204, 304.
    None,
    /// That many bytes.
    ContentLength(u64),
    /// The chunk of size zero and the trailer section.
    Chunked,
    /// Neither was given: everything until the connection ends.
    UntilClose,
    /// 101, or a 2xx to CONNECT: what follows is no HTTP any more.
    Tunnel,
}

/// One final reply and the interim ones before it.
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
    /// Empty lines that stood before the status line, where none belong.
    pub stray_line_ends: usize,
    /// Whether a request was waiting for it: a 408 on an idle connection answers nothing.
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

    /// Whether the final reply grants an HTTP/1.0 client persistence (RFC 9112 appendix C.2.2).
    pub fn says_keep_alive(&self) -> bool {
        self.head.has_connection_option("keep-alive")
    }
}
