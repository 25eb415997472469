//! Finds the end of a reply (RFC 9112 §6.3), from a client's side.
//!
//! The rules are lenient on purpose: a coding that the server should not have used still frames its reply, and the
//! field that shows the violation stays in the head for the claims.

use super::field::elements;
use super::outcome::ReadError;
use super::response::{Framing, Head};

/// What the method of a request implies for the framing of its reply (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// HEAD: the reply has no content, whatever its fields say.
    Head,
    /// CONNECT: a 2xx turns the connection into a tunnel.
    Connect,
    /// Any other method.
    Other,
}

impl RequestKind {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub fn of_method(method: &str) -> Self {
        match method {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// Applies the eight rules of RFC 9112 §6.3, in their order.
pub(super) fn framing(head: &Head, request: RequestKind) -> Result<Framing, ReadError> {
    let code = head.status.code;
    if code == 101 || (request == RequestKind::Connect && (200..300).contains(&code)) {
        return Ok(Framing::Tunnel);
    }
    if request == RequestKind::Head || code == 204 || code == 304 {
        return Ok(Framing::None);
    }
    if let Some(last) = elements(&head.fields, "transfer-encoding").last() {
        let chunked = last.eq_ignore_ascii_case(b"chunked");
        return Ok(if chunked {
            Framing::Chunked
        } else {
            Framing::UntilClose
        });
    }
    if !head.fields.iter().any(|field| field.is("content-length")) {
        return Ok(Framing::UntilClose);
    }
    let mut lengths = elements(&head.fields, "content-length").map(decimal);
    let first = lengths.next().flatten().ok_or(ReadError::ContentLength)?;
    if lengths.all(|length| length == Some(first)) {
        Ok(Framing::ContentLength(first))
    } else {
        Err(ReadError::ContentLength)
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, digit| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Parses the size before an extension. Spaces around it are allowed, because some servers pad it.
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let size = std::str::from_utf8(size).ok()?;
    let hexadecimal = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u64::from_str_radix(size, 16).ok()).flatten()
}
