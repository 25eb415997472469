//! What the `Connection` field and the version say about the life of a connection (RFC 9112 §9.3).

/// The HTTP versions that the server distinguishes; a newer HTTP/1.x counts as 1.1 (RFC 9110 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V10,
    V11,
}

/// Whether a client expects the connection to outlive the reply.
///
/// All lines of the field are one list of case-insensitive tokens, empty elements are ignored, and `close` overrides
/// every other option (RFC 9110 §5.3, §5.6.1, §7.6.1; RFC 9112 §9.3).
pub(super) fn persists(version: Version, fields: &[httparse::Header<'_>]) -> bool {
    let lines: Vec<&[u8]> = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .map(|field| field.value)
        .collect();
    persists_with(version, |option| lists_option(&lines, option))
}

/// Whether the connection outlives the reply, given which options the client lists.
pub(super) fn persists_with(version: Version, lists: impl Fn(&str) -> bool) -> bool {
    !lists("close")
        && match version {
            Version::V11 => true,
            Version::V10 => lists("keep-alive"),
        }
}

/// Whether one of the lines of a `Connection` field lists the option.
pub(super) fn lists_option(lines: &[&[u8]], option: &str) -> bool {
    lines
        .iter()
        .flat_map(|line| line.split(|&byte| byte == b','))
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}
