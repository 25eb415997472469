//! What the `Connection` field and the version say about the life of a connection (RFC 9112 §9.3).

use super::fault::HttpFault;
use super::shared::Shared;

/// The versions that matter here; a newer HTTP/1.x counts as 1.1 (RFC 9110 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V10,
    V11,
}

/// Whether a client expects the connection to outlive the reply.
///
/// All lines of the field are one list of case-insensitive tokens, empty elements count for nothing, and
/// `close` wins over everything (RFC 9110 §5.3, §5.6.1, §7.6.1; RFC 9112 §9.3).
pub(super) fn persists(version: Version, fields: &[httparse::Header<'_>], shared: &Shared) -> bool {
    let has = |fault| shared.has(fault);
    let mut lines: Vec<&[u8]> = connection_lines(fields, shared).collect();
    if has(HttpFault::LastConnectionLineWins) {
        lines.drain(..lines.len().saturating_sub(1));
    }
    let listed = |option: &str| lines.iter().any(|line| has_option(line, option, shared));
    let close = listed("close") && !has(HttpFault::CloseIgnored);
    match version {
        Version::V11 => !close,
        Version::V10 => !close && (listed("keep-alive") || has(HttpFault::PersistsByDefaultIn10)),
    }
}

fn connection_lines<'f>(
    fields: &'f [httparse::Header<'_>],
    shared: &'f Shared,
) -> impl Iterator<Item = &'f [u8]> {
    fields.iter().filter_map(|field| {
        let named = if shared.has(HttpFault::FieldNameCaseSensitive) {
            field.name == "Connection"
        } else {
            field.name.eq_ignore_ascii_case("connection")
        };
        let proxy = shared.has(HttpFault::ProxyConnectionObeyed)
            && field.name.eq_ignore_ascii_case("proxy-connection");
        (named || proxy).then_some(field.value)
    })
}

fn has_option(line: &[u8], option: &str, shared: &Shared) -> bool {
    let is = |element: &[u8]| {
        if shared.has(HttpFault::OptionCaseSensitive) {
            element == option.as_bytes()
        } else {
            element.eq_ignore_ascii_case(option.as_bytes())
        }
    };
    if shared.has(HttpFault::SubstringClose) {
        return line
            .to_ascii_lowercase()
            .windows(option.len())
            .any(|part| part == option.as_bytes());
    }
    if shared.has(HttpFault::ConnectionWholeValue) {
        return is(line.trim_ascii());
    }
    let mut elements = line.split(|&byte| byte == b',');
    if shared.has(HttpFault::ListStopsAtEmptyElement) {
        return elements
            .map(<[u8]>::trim_ascii)
            .take_while(|element| !element.is_empty())
            .any(is);
    }
    if shared.has(HttpFault::TabNotTrimmed) {
        return line.split(|&byte| byte == b',' || byte == b' ').any(is);
    }
    elements.any(|element| is(element.trim_ascii()))
}
