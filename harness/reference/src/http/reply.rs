//! Formats the head of a reply.
//!
//! Pure except for the clock behind `Date`, which an origin server with a clock must send (RFC 9110 §6.6.1).

use std::time::SystemTime;

use super::refusal::Refusal;

/// How the end of a reply's content is marked (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyFraming {
    /// No content and no framing field: 204 and 304.
    Empty,
    /// Content of this many bytes.
    Length(u64),
    Chunked,
    UntilClose,
}

/// The `Connection` option of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// The default of the client's version.
    Nothing,
    KeepAlive,
    Close,
}

/// Appends the status line, the fields and the empty line; `fields` are whole lines with their CRLF.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    status: u16,
    framing: ReplyFraming,
    announced: Announced,
    fields: &str,
) {
    let date = httpdate::HttpDate::from(SystemTime::now());
    let framing = match framing {
        ReplyFraming::Empty | ReplyFraming::UntilClose => String::new(),
        ReplyFraming::Length(length) => format!("Content-Length: {length}\r\n"),
        ReplyFraming::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
    };
    let connection = match announced {
        Announced::Nothing => "",
        Announced::KeepAlive => "Connection: keep-alive\r\n",
        Announced::Close => "Connection: close\r\n",
    };
    let reason = reason(status);
    let head = format!("HTTP/1.1 {status} {reason}\r\nDate: {date}\r\n{fields}{framing}{connection}\r\n");
    out.extend_from_slice(head.as_bytes());
}

/// A complete reply that refuses a request. It has no content, so that it is correct for HEAD too.
pub(super) fn refusal(refusal: Refusal, announced: Announced) -> Vec<u8> {
    let fields = if refusal == Refusal::Method { ALLOW } else { "" };
    let mut out = Vec::new();
    write_head(
        &mut out,
        refusal.status(),
        ReplyFraming::Length(0),
        announced,
        fields,
    );
    out
}

/// The methods that every handler accepts.
pub(super) const ALLOW: &str = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
