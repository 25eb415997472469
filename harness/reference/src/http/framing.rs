//! Where a request ends (RFC 9112 §6): the rules that keep the next request from being part of this one.
//!
//! Stricter than the RFC where it leaves a choice: both framings, or a length twice, are refused instead of
//! being resolved, because a proxy in front may have resolved them differently.

use super::fault::HttpFault;
use super::persistence::Version;
use super::refusal::Refusal;
use super::shared::Shared;

/// How the end of a request's content is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// RFC 9112 §6.3 from a server's side; no framing field means no content.
pub(super) fn of(
    version: Version,
    fields: &[httparse::Header<'_>],
    shared: &Shared,
) -> Result<Framing, Refusal> {
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
    let length = length(named("content-length"), shared)?;
    if !named("transfer-encoding").any(|_| true) || shared.has(HttpFault::TransferEncodingIgnored) {
        return Ok(Framing::Length(length.unwrap_or(0)));
    }
    if version == Version::V10 && !shared.has(HttpFault::ChunkedFrom10KeptOpen) {
        return Err(Refusal::Malformed);
    }
    if length.is_some() && !shared.has(HttpFault::BothFramingsKeptOpen) {
        return Err(Refusal::Malformed);
    }
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings.split_last() {
        Some((last, [])) if chunked(last) => Ok(Framing::Chunked),
        Some((last, before)) if chunked(last) && !before.iter().any(chunked) => Err(Refusal::Coding),
        _ => Err(Refusal::Malformed),
    }
}

/// One line with digits only. `5, 5` and two equal lines could be taken as 5 and are refused (§6.3, rule 5).
fn length<'f>(mut lines: impl Iterator<Item = &'f [u8]>, shared: &Shared) -> Result<Option<u64>, Refusal> {
    if shared.has(HttpFault::LengthLenient) {
        let last = lines
            .last()
            .map(|line| line.rsplit(|&byte| byte == b',').next().unwrap_or(line));
        let text = last.map(|line| String::from_utf8_lossy(line.trim_ascii()).into_owned());
        return Ok(text.and_then(|text| text.parse().ok()));
    }
    let Some(line) = lines.next() else { return Ok(None) };
    let digits = line.trim_ascii();
    if lines.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    let text = std::str::from_utf8(digits).expect("digits are ASCII");
    text.parse().map(Some).map_err(|_| Refusal::Malformed)
}
