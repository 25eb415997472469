//! Header field lines exactly as sent, and the elements of lists that span several lines.
//!
//! A line is one byte string; name and value are slices of it. This preserves letter case, a space before the colon
//! and folded values. There is no map by name, because a map would merge lines that are under test.

/// One field line without its line end; a folded line (RFC 9112 §5.2) keeps its inner line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    raw: Vec<u8>,
}

impl FieldLine {
    /// The line as sent, without the CRLF or LF that ended it.
    pub fn new(raw: impl Into<Vec<u8>>) -> Self {
        Self { raw: raw.into() }
    }

    /// Every byte of the line.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The bytes before the first colon, spaces included; the whole line if it has no colon.
    pub fn name(&self) -> &[u8] {
        self.split().0
    }

    /// The bytes after the first colon, without surrounding white space (RFC 9110 §5.5).
    pub fn value(&self) -> &[u8] {
        trim(self.split().1)
    }

    /// Whether the line has this name. Ignores case (RFC 9110 §5.1) and a space before the colon.
    pub fn is(&self, name: &str) -> bool {
        trim(self.name()).eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn fold(&mut self, continuation: &[u8]) {
        self.raw.extend_from_slice(b"\r\n");
        self.raw.extend_from_slice(continuation);
    }

    fn split(&self) -> (&[u8], &[u8]) {
        match self.raw.iter().position(|&byte| byte == b':') {
            Some(colon) => (&self.raw[..colon], &self.raw[colon + 1..]),
            None => (&self.raw, &[]),
        }
    }
}

/// The nonempty elements of a comma-separated list over all lines of this name, in order (RFC 9110 §5.3 and
/// §5.6.1). A comma in a quoted string also separates: `Connection` and the framing fields contain tokens only.
pub fn elements<'a>(fields: &'a [FieldLine], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.is(name))
        .flat_map(|field| field.value().split(|&byte| byte == b','))
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Whether the list contains this element, ignoring case: `has_element(fields, "connection", "close")`.
pub fn has_element(fields: &[FieldLine], name: &str, element: &str) -> bool {
    elements(fields, name).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}
