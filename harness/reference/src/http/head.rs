//! Parses a request line and its fields into what the server needs, or into a refusal.
//!
//! `httparse` checks the syntax. This module checks the rules of RFC 9112 §2 and §3 that it leaves open: versions,
//! target forms and `Host`. It does not keep the fields; it interprets each of them once.

use super::framing::{self, Framing};
use super::persistence::{self, Version};
use super::refusal::Refusal;
use super::shared::Shared;

/// Limit of field lines in one request.
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
    /// Whether the client offers other protocols (`Upgrade`). The server knows none; only a hook reads this.
    pub(super) offers_upgrade: bool,
}

impl Head {
    /// Parses the head at the front of `bytes` and returns it with its length in bytes; `None` while it is incomplete.
    /// Overwrites a minor version above 1 with 1 in place (RFC 9110 §6.2).
    pub(super) fn parse(bytes: &mut [u8], shared: &Shared) -> Result<Option<(Self, usize)>, Refusal> {
        shared.hooks.head_start(bytes)?;
        let version_at = match Self::parse_known_version(bytes, shared) {
            Err(httparse::Error::Version) => version_digits(bytes, shared)?,
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::Fields),
            Err(_) => return Err(Refusal::Malformed),
            Ok(parsed) => return parsed,
        };
        let Some(at) = version_at else { return Ok(None) };
        bytes[at..at + 3].copy_from_slice(b"1.1");
        Self::parse_known_version(bytes, shared).map_err(|_| Refusal::Malformed)?
    }

    fn parse_known_version(
        bytes: &[u8],
        shared: &Shared,
    ) -> Result<Result<Option<(Self, usize)>, Refusal>, httparse::Error> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let syntax = shared.hooks.syntax(httparse::ParserConfig::default());
        match syntax.parse_request(&mut request, bytes)? {
            httparse::Status::Partial => Ok(Ok(None)),
            httparse::Status::Complete(length) => {
                Ok(Self::of_request(&request, shared).map(|head| Some((head, length))))
            }
        }
    }

    fn of_request(request: &httparse::Request<'_, '_>, shared: &Shared) -> Result<Self, Refusal> {
        let hooks = shared.hooks;
        let fields = &*request.headers;
        let method = request.method.expect("a complete request has a method");
        let target = request.path.expect("a complete request has a target");
        let (method, target) = hooks.request_line((method, target));
        let version = match request.version {
            Some(0) => Version::V10,
            _ => Version::V11,
        };
        hooks.host(check_host(version, fields))?;
        let (path, query) = hooks.target(target, split_target(method, target))?;
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            version,
            persists: hooks.persists(version, fields, persistence::persists(version, fields)),
            framing: hooks.framing(version, fields, framing::of(version, fields))?,
            expect: hooks.expectation(fields, expectation(version, fields))?,
            offers_upgrade: fields
                .iter()
                .any(|field| field.name.eq_ignore_ascii_case("upgrade")),
        })
    }
}

/// The offset of the digits of a version other than 1.0 and 1.1, where the request is served as 1.1; `None` while the
/// line is incomplete.
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
    let is_newer_minor = match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => true,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => false,
        _ => return Err(Refusal::Malformed),
    };
    if shared.hooks.serves_version(is_newer_minor) {
        Ok(Some(at))
    } else {
        Err(Refusal::Version)
    }
}

/// Checks for exactly one `Host` in HTTP/1.1, at most one in 1.0, and only characters of a host (RFC 9112 §3.2).
fn check_host(version: Version, fields: &[httparse::Header<'_>]) -> Result<(), Refusal> {
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

/// Path and query of a target in origin form, absolute form or the asterisk form of OPTIONS (RFC 9112 §3.2). The
/// authority form of CONNECT is refused with its method.
fn split_target<'t>(method: &str, target: &'t str) -> Result<(&'t str, &'t str), Refusal> {
    match (method, target) {
        ("CONNECT", _) => return Err(Refusal::Method),
        ("OPTIONS", "*") => return Ok(("*", "")),
        _ => {}
    }
    let scheme = ["http://", "https://"].iter().find(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let local = match scheme {
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

/// Knows 100-continue, whatever its case, and ignores the field in HTTP/1.0. Refuses any other expectation, as the RFC
/// allows.
pub(super) fn expectation(version: Version, fields: &[httparse::Header<'_>]) -> Result<Expect, Refusal> {
    let mut lines = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("expect"));
    let Some(line) = lines.next() else {
        return Ok(Expect::Nothing);
    };
    match version {
        Version::V10 => Ok(Expect::Nothing),
        Version::V11 if line.value.trim_ascii().eq_ignore_ascii_case(b"100-continue") => Ok(Expect::Continue),
        Version::V11 => Err(Refusal::Expectation),
    }
}
