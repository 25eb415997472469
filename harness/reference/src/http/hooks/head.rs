//! Faults in reading a request line and its fields.

use std::str;

use httparse::{Header, ParserConfig};

use super::super::framing::{self, Framing};
use super::super::head::{self, Expect};
use super::super::persistence::{self, Version};
use super::super::refusal::Refusal;
use super::{Hooks, HttpFault};

impl Hooks {
    /// Whether what has been read can be the beginning of a head.
    pub(in crate::http) fn head_start(self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.has(HttpFault::EmptyLineRefused) && matches!(bytes.first(), Some(b'\r' | b'\n')) {
            return Err(Refusal::Malformed);
        }
        Ok(())
    }

    /// The syntax of field lines.
    pub(in crate::http) fn syntax(self, mut decided: ParserConfig) -> ParserConfig {
        decided.ignore_invalid_headers_in_requests(self.has(HttpFault::BadFieldNamesSkipped));
        decided
    }

    /// Whether a version other than 1.0 and 1.1 is served as 1.1.
    pub(in crate::http) fn serves_version(self, decided: bool) -> bool {
        (decided && !self.has(HttpFault::NewerMinorRefused)) || self.has(HttpFault::OtherMajorServed)
    }

    /// Method and target of a request.
    pub(in crate::http) fn request_line<'r>(self, decided: (&'r str, &'r str)) -> (&'r str, &'r str) {
        if self.has(HttpFault::ConnectAccepted) && decided.0 == "CONNECT" {
            return ("GET", "/");
        }
        decided
    }

    /// Whether the `Host` lines are accepted.
    pub(in crate::http) fn host(self, decided: Result<(), Refusal>) -> Result<(), Refusal> {
        if self.has(HttpFault::HostUnchecked) {
            return Ok(());
        }
        decided
    }

    /// Path and query of a target.
    pub(in crate::http) fn target<'t>(
        self,
        target: &str,
        decided: Result<(&'t str, &'t str), Refusal>,
    ) -> Result<(&'t str, &'t str), Refusal> {
        let is_asterisk = target == "*";
        let is_absolute = !is_asterisk && !target.starts_with('/');
        let is_refused = (self.has(HttpFault::AsteriskRefused) && is_asterisk)
            || (self.has(HttpFault::AbsoluteFormRefused) && is_absolute);
        if is_refused {
            return decided.and(Err(Refusal::Malformed));
        }
        decided
    }

    /// Whether the client expects the connection to outlive the reply.
    pub(in crate::http) fn persists(self, version: Version, fields: &[Header<'_>], decided: bool) -> bool {
        let is_connection = |field: &&Header<'_>| field.name.eq_ignore_ascii_case("connection");
        let lines: Vec<&[u8]> = if self.has(HttpFault::FieldNameCaseSensitive) {
            values(fields.iter().filter(|field| field.name == "Connection"))
        } else if self.has(HttpFault::ProxyConnectionObeyed) {
            let is_proxy = |field: &Header<'_>| field.name.eq_ignore_ascii_case("proxy-connection");
            values(
                fields
                    .iter()
                    .filter(|field| is_connection(field) || is_proxy(field)),
            )
        } else if self.has(HttpFault::LastConnectionLineWins) {
            values(fields.iter().rfind(is_connection).into_iter())
        } else if self.0.is_some() {
            values(fields.iter().filter(is_connection))
        } else {
            return decided;
        };
        persistence::persists_with(version, |option| self.lists_option(&lines, option))
    }

    /// Whether the lines of a `Connection` field list an option.
    fn lists_option(self, lines: &[&[u8]], option: &str) -> bool {
        let option_bytes = option.as_bytes();
        let exact = |element: &[u8]| element == option_bytes;
        let ignoring_case = |element: &[u8]| element.eq_ignore_ascii_case(option_bytes);
        let any = |is: &dyn Fn(&[u8]) -> bool| lines.iter().any(|line| is(line));
        match self.0 {
            Some(HttpFault::CloseIgnored) if option == "close" => false,
            Some(HttpFault::PersistsByDefaultIn10) if option == "keep-alive" => true,
            Some(HttpFault::OptionCaseSensitive) => any(&|line| elements(line).any(&exact)),
            Some(HttpFault::ConnectionWholeValue) => any(&|line| ignoring_case(line.trim_ascii())),
            Some(HttpFault::SubstringClose) => {
                any(&|line| line.windows(option_bytes.len()).any(&ignoring_case))
            }
            Some(HttpFault::ListStopsAtEmptyElement) => any(&|line| {
                elements(line)
                    .take_while(|element| !element.is_empty())
                    .any(&ignoring_case)
            }),
            Some(HttpFault::TabNotTrimmed) => any(&|line| {
                line.split(|&byte| byte == b',' || byte == b' ')
                    .any(&ignoring_case)
            }),
            _ => persistence::lists_option(lines, option),
        }
    }

    /// Where the request ends.
    pub(in crate::http) fn framing(
        self,
        version: Version,
        fields: &[Header<'_>],
        decided: Result<Framing, Refusal>,
    ) -> Result<Framing, Refusal> {
        let is = |field: &Header<'_>, name: &str| field.name.eq_ignore_ascii_case(name);
        let without = |name: &str| -> Vec<Header<'_>> {
            fields.iter().filter(|field| !is(field, name)).copied().collect()
        };
        let is_coded = fields.iter().any(|field| is(field, "transfer-encoding"));
        if self.has(HttpFault::TransferEncodingIgnored) {
            framing::of(version, &without("transfer-encoding"))
        } else if self.has(HttpFault::ChunkedFrom10KeptOpen) {
            framing::of(Version::V11, fields)
        } else if self.has(HttpFault::BothFramingsKeptOpen) && is_coded {
            framing::of(version, &without("content-length"))
        } else if self.has(HttpFault::LengthLenient) && !is_coded {
            let last = fields.iter().rfind(|field| is(field, "content-length"));
            let last = last.and_then(|field| field.value.rsplit(|&byte| byte == b',').next());
            let number = last.and_then(|text| str::from_utf8(text.trim_ascii()).ok()?.parse().ok());
            Ok(Framing::Length(number.unwrap_or(0)))
        } else {
            decided
        }
    }

    /// What the `Expect` field asks for.
    pub(in crate::http) fn expectation(
        self,
        fields: &[Header<'_>],
        decided: Result<Expect, Refusal>,
    ) -> Result<Expect, Refusal> {
        let mut lines = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("expect"));
        if self.has(HttpFault::ContinueTo10) {
            return head::expectation(Version::V11, fields);
        }
        let is_exact = lines.any(|line| line.value.trim_ascii() == b"100-continue");
        if self.has(HttpFault::ExpectCaseSensitive) && !is_exact {
            return Ok(Expect::Nothing);
        }
        decided
    }
}

fn values<'f>(fields: impl Iterator<Item = &'f Header<'f>>) -> Vec<&'f [u8]> {
    fields.map(|field| field.value).collect()
}

fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
