//! Finds where a request ends (RFC 9112 §6), so that no byte of the next request is read as part of this one.
//!
//! The RFC allows a server to accept a request with both framings or with two equal lengths. This server refuses them,
//! because a proxy in front of it may have chosen the other interpretation (request smuggling).

use super::persistence::Version;
use super::refusal::Refusal;

/// How the end of a request's content is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// RFC 9112 §6.3 from a server's side; no framing field means no content.
pub(super) fn of(version: Version, fields: &[httparse::Header<'_>]) -> Result<Framing, Refusal> {
    let named = |name: &'static str| {
        fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    let codings: Vec<&[u8]> = named("transfer-encoding")
        .flat_map(|line| line.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty())
        .collect();
    let length = length(named("content-length"))?;
    if named("transfer-encoding").next().is_none() {
        return Ok(Framing::Length(length.unwrap_or(0)));
    }
    if version == Version::V10 || length.is_some() {
        return Err(Refusal::Malformed);
    }
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings.split_last() {
        Some((last, [])) if chunked(last) => Ok(Framing::Chunked),
        Some((last, before)) if chunked(last) && !before.iter().any(chunked) => Err(Refusal::Coding),
        _ => Err(Refusal::Malformed),
    }
}

/// Accepts one line of digits. `5, 5` and two equal lines may be read as 5; they are refused (§6.3, rule 5).
fn length<'f>(mut lines: impl Iterator<Item = &'f [u8]>) -> Result<Option<u64>, Refusal> {
    let Some(line) = lines.next() else { return Ok(None) };
    let digits = line.trim_ascii();
    if lines.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    let text = std::str::from_utf8(digits).expect("digits are ASCII");
    text.parse().map(Some).map_err(|_| Refusal::Malformed)
}
