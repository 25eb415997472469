//! A request line and fields → what the server needs to know, or a refusal.
//!
//! `httparse` reads the syntax; the rules of RFC 9112 §2 and §3 that it leaves open are here: versions,
//! target forms, `Host`. Fields are not kept: what they mean is decided once, where they are read.

use super::fault::HttpFault;
use super::framing::{self, Framing};
use super::persistence::{self, Version};
use super::refusal::Refusal;
use super::shared::Shared;

/// Field lines of one request.
const FIELDS_MAX: usize = 100;

/// What `Expect` asks for (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Nothing,
    Continue,
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    /// `/echo`; `*` only for OPTIONS.
    pub(super) path: String,
    /// Without the question mark; empty where there is none.
    pub(super) query: String,
    pub(super) version: Version,
    /// Whether the client expects the connection to outlive the reply.
    pub(super) persists: bool,
    pub(super) framing: Framing,
    pub(super) expect: Expect,
    /// Whether other protocols are offered. None is known here, so only a fault takes notice.
    pub(super) offers_upgrade: bool,
}

impl Head {
    /// Reads the head at the front of `bytes`; `None` while it is not complete. The second value is its
    /// length. A minor version above 1 is overwritten by 1 in place (RFC 9110 §6.2).
    pub(super) fn parse(bytes: &mut [u8], shared: &Shared) -> Result<Option<(Self, usize)>, Refusal> {
        if shared.has(HttpFault::EmptyLineRefused) && matches!(bytes.first(), Some(b'\r' | b'\n')) {
            return Err(Refusal::Malformed);
        }
        let fix = match Self::parse_known_version(bytes, shared) {
            Err(httparse::Error::Version) => version_digits(bytes, shared)?,
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::Fields),
            Err(_) => return Err(Refusal::Malformed),
            Ok(parsed) => return parsed,
        };
        let Some(at) = fix else { return Ok(None) };
        bytes[at..at + 3].copy_from_slice(b"1.1");
        Self::parse_known_version(bytes, shared).map_err(|_| Refusal::Malformed)?
    }

    fn parse_known_version(
        bytes: &[u8],
        shared: &Shared,
    ) -> Result<Result<Option<(Self, usize)>, Refusal>, httparse::Error> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let mut syntax = httparse::ParserConfig::default();
        syntax.ignore_invalid_headers_in_requests(shared.has(HttpFault::BadFieldNamesSkipped));
        match syntax.parse_request(&mut request, bytes)? {
            httparse::Status::Partial => Ok(Ok(None)),
            httparse::Status::Complete(length) => {
                Ok(Self::of_request(&request, shared).map(|head| Some((head, length))))
            }
        }
    }

    fn of_request(request: &httparse::Request<'_, '_>, shared: &Shared) -> Result<Self, Refusal> {
        let method = request.method.expect("a complete request has a method");
        let target = request.path.expect("a complete request has a target");
        let version = match request.version {
            Some(0) => Version::V10,
            _ => Version::V11,
        };
        check_host(version, request.headers, shared)?;
        let (path, query) = split_target(method, target, shared)?;
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            version,
            persists: persistence::persists(version, request.headers, shared),
            framing: framing::of(version, request.headers, shared)?,
            expect: expectation(version, request.headers, shared)?,
            offers_upgrade: request
                .headers
                .iter()
                .any(|field| field.name.eq_ignore_ascii_case("upgrade")),
        })
    }
}

/// Where the digits of a version other than 1.0 and 1.1 stand, if they may be read as 1.1; `None` while the
/// line is not complete.
fn version_digits(bytes: &[u8], shared: &Shared) -> Result<Option<usize>, Refusal> {
    let start = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(0);
    let Some(length) = bytes[start..].iter().position(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    let line = &bytes[start..start + length];
    let version = line
        .rsplit(|&byte| byte == b' ')
        .next()
        .unwrap_or(line)
        .trim_ascii_end();
    let at = start + line.trim_ascii_end().len() - version.len() + b"HTTP/".len();
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']
            if shared.has(HttpFault::NewerMinorRefused) =>
        {
            Err(Refusal::Version)
        }
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Some(at)),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']
            if shared.has(HttpFault::OtherMajorServed) =>
        {
            Ok(Some(at))
        }
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Refusal::Version),
        _ => Err(Refusal::Malformed),
    }
}

/// Exactly one `Host` in HTTP/1.1, at most one in 1.0, and only characters of a host (RFC 9112 §3.2).
fn check_host(version: Version, fields: &[httparse::Header<'_>], shared: &Shared) -> Result<(), Refusal> {
    if shared.has(HttpFault::HostUnchecked) {
        return Ok(());
    }
    let mut hosts = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("host"));
    let first = hosts.next();
    if hosts.next().is_some() || (first.is_none() && version == Version::V11) {
        return Err(Refusal::Malformed);
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte);
    match first {
        Some(host) if !host.value.trim_ascii().iter().all(allowed) => Err(Refusal::Malformed),
        _ => Ok(()),
    }
}

/// Origin form, absolute form, or the asterisk of OPTIONS (RFC 9112 §3.2); CONNECT has no place here.
fn split_target<'t>(method: &str, target: &'t str, shared: &Shared) -> Result<(&'t str, &'t str), Refusal> {
    if method == "CONNECT" {
        return if shared.has(HttpFault::ConnectAccepted) {
            Ok(("/", ""))
        } else {
            Err(Refusal::Method)
        };
    }
    if target == "*" {
        let allowed = method == "OPTIONS" && !shared.has(HttpFault::AsteriskRefused);
        return if allowed {
            Ok(("*", ""))
        } else {
            Err(Refusal::Malformed)
        };
    }
    let scheme = ["http://", "https://"].iter().find(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let local = match scheme {
        Some(_) if shared.has(HttpFault::AbsoluteFormRefused) => return Err(Refusal::Malformed),
        Some(scheme) => {
            let authority = &target[scheme.len()..];
            &authority[authority.find(['/', '?']).unwrap_or(authority.len())..]
        }
        None if target.starts_with('/') => target,
        None => return Err(Refusal::Malformed),
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// 100-continue in any case; nothing in HTTP/1.0; anything else is refused, which the RFC allows.
fn expectation(
    version: Version,
    fields: &[httparse::Header<'_>],
    shared: &Shared,
) -> Result<Expect, Refusal> {
    let mut lines = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("expect"));
    let Some(line) = lines.next() else {
        return Ok(Expect::Nothing);
    };
    let value = line.value.trim_ascii();
    let known = if shared.has(HttpFault::ExpectCaseSensitive) {
        value == b"100-continue"
    } else {
        value.eq_ignore_ascii_case(b"100-continue")
    };
    match version {
        Version::V10 if !shared.has(HttpFault::ContinueTo10) => Ok(Expect::Nothing),
        _ if known => Ok(Expect::Continue),
        _ if shared.has(HttpFault::ExpectCaseSensitive) => Ok(Expect::Nothing),
        _ => Err(Refusal::Expectation),
    }
}
