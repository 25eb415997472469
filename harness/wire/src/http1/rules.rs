//! Where a reply ends (RFC 9112 §6.3), from a client's side.
//!
//! Lenient on purpose: a coding the server should not have used still frames its reply, and the field that
//! shows the breach stays in the head for the judge.

use super::field::elements;
use super::outcome::ReadError;
use super::response::{Framing, Head};

/// What a request's method means for its reply's framing (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The reply has no content, whatever its fields say.
    Head,
    /// A 2xx turns the connection into a tunnel.
    Connect,
    /// Every other method.
    Other,
}

impl Asked {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub fn of_method(method: &str) -> Self {
        match method {
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// The eight rules of RFC 9112 §6.3 from a client's side, in their order.
pub(super) fn framing(head: &Head, asked: Asked) -> Result<Framing, ReadError> {
    let code = head.status.code;
    if code == 101 || (asked == Asked::Connect && (200..300).contains(&code)) {
        return Ok(Framing::Tunnel);
    }
    if asked == Asked::Head || code == 204 || code == 304 {
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

/// The size before an extension; spaces around it are tolerated, some servers pad it.
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let size = std::str::from_utf8(size).ok()?;
    let hexadecimal = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u64::from_str_radix(size, 16).ok()).flatten()
}
