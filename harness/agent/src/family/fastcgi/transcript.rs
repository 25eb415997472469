//! The records of an application as lines of a transcript: `< STDOUT id=1 "ok\n"`, `< END id=1 complete status=0`.
//!
//! How output is divided into records has no meaning (§3.3), so consecutive STDOUT records of one id are one line. Of
//! the CGI response only the status and the body are shown, because headers differ between libraries and contain dates.
//! A response without headers is shown whole, because the missing headers are what the scenario finds.

use std::collections::HashSet;

use reusespec_core::step::fastcgi::{Order, Show};
use reusespec_wire::fastcgi::{Kind, Record, Stream};

/// Bytes of a stream that are kept for its line. The rest is only counted.
const KEPT_BYTES: usize = 8 << 10;
/// Bytes of a body that a line shows.
const SHOWN_BYTES: usize = 96;

/// Records should begin at multiples of this many bytes (§3.3). A header has 8 bytes too.
const BOUNDARY: usize = 8;

/// The lines of one `receive`.
pub(super) struct Transcript {
    entries: Vec<Entry>,
    show: Show,
    /// Whether the content and padding of some record are not a multiple of [`BOUNDARY`].
    is_unaligned: bool,
}

struct Entry {
    id: u16,
    text: Text,
}

enum Text {
    Whole(String),
    Stdout(Stdout),
}

impl Entry {
    /// Appends this entry to the earlier one if both are STDOUT of one id. Returns whether it did.
    fn continues(&self, earlier: &mut Self) -> bool {
        let (Text::Stdout(later), Text::Stdout(stdout)) = (&self.text, &mut earlier.text) else {
            return false;
        };
        let same = self.id == earlier.id;
        if same {
            stdout.take(&later.bytes);
            stdout.len += later.len - later.bytes.len();
        }
        same
    }
}

/// Consecutive STDOUT records of one id.
struct Stdout {
    bytes: Vec<u8>,
    len: usize,
    /// Whether it begins with the CGI headers.
    first: bool,
}

/// The ids whose response has begun on a connection. Their further output has no headers.
#[derive(Default)]
pub(super) struct Answering(HashSet<u16>);

impl Transcript {
    pub(super) fn new(show: Show) -> Self {
        Self {
            entries: Vec::new(),
            show,
            is_unaligned: false,
        }
    }

    /// Adds a record. Returns whether a line now begins with `until` that did not before.
    pub(super) fn take(&mut self, record: &Record<&[u8]>, answering: &mut Answering, until: &str) -> bool {
        let id = record.id();
        let content = record.content();
        self.is_unaligned |= !(content.len() + record.padding().len()).is_multiple_of(BOUNDARY);
        if record.kind() == Kind::Stream(Stream::Stdout) && !content.is_empty() {
            return self.stdout(id, content, answering, until);
        }
        if record.kind() == Kind::EndRequest {
            answering.0.remove(&id);
        }
        let text = record.to_string();
        let fits = text.starts_with(until);
        self.entries.push(Entry {
            id,
            text: Text::Whole(text),
        });
        fits
    }

    fn stdout(&mut self, id: u16, content: &[u8], answering: &mut Answering, until: &str) -> bool {
        let goes_on =
            matches!(self.entries.last(), Some(Entry { id: last, text: Text::Stdout(_) }) if *last == id);
        if !goes_on {
            let first = answering.0.insert(id);
            let (bytes, len) = (Vec::new(), 0);
            self.entries.push(Entry {
                id,
                text: Text::Stdout(Stdout { bytes, len, first }),
            });
        }
        let show = self.show;
        let Some(Entry {
            text: Text::Stdout(stdout),
            ..
        }) = self.entries.last_mut()
        else {
            unreachable!("the last entry is this stream's")
        };
        let fitted = goes_on && stdout.line(id, show).starts_with(until);
        stdout.take(content);
        !fitted && stdout.line(id, show).starts_with(until)
    }

    /// Adds a line that does not stand for a record, such as the end of the connection.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.entries.push(Entry {
            id: u16::MAX,
            text: Text::Whole(text.into()),
        });
    }

    /// The lines.
    pub(super) fn lines(mut self, order: Order) -> Vec<String> {
        if order == Order::ById {
            // The sort is stable. Lines that do not stand for records have the greatest id and come last.
            self.entries.sort_by_key(|entry| entry.id);
            self.entries.dedup_by(|later, earlier| later.continues(earlier));
        }
        let show = self.show;
        if show == Show::Alignment {
            let kept = if self.is_unaligned { "not kept" } else { "kept" };
            self.say(format!("boundaries of {BOUNDARY} bytes {kept}"));
        }
        let line = |entry: &Entry| match &entry.text {
            Text::Whole(text) => format!("< {text}"),
            Text::Stdout(stdout) => format!("< {}", stdout.line(entry.id, show)),
        };
        let hides_stdout = matches!(show, Show::End | Show::Alignment);
        let shown = |entry: &&Entry| !hides_stdout || matches!(entry.text, Text::Whole(_));
        self.entries.iter().filter(shown).map(line).collect()
    }
}

impl Stdout {
    fn take(&mut self, content: &[u8]) {
        let room = KEPT_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&content[..content.len().min(room)]);
        self.len += content.len();
    }

    fn line(&self, id: u16, show: Show) -> String {
        // A second response begins with headers too, also if the first one of the same id has not ended.
        let begins = self.first || self.bytes.starts_with(b"Status: ");
        if show == Show::Once && self.bytes.windows(5).any(|window| window == b"part ") {
            return format!("STDOUT id={id} {}", quoted(&parts_once(&self.bytes), 0));
        }
        if !begins || show == Show::Everything {
            return format!("STDOUT id={id} {}", quoted(&self.bytes, self.len));
        }
        match split(&self.bytes) {
            Some((status, head_len)) => {
                let status = status.map(|status| format!("{status} ")).unwrap_or_default();
                let body = quoted(&self.bytes[head_len..], self.len - head_len);
                format!("STDOUT id={id} {status}{body}")
            }
            None => format!("STDOUT id={id} without headers {}", quoted(&self.bytes, self.len)),
        }
    }
}

/// The status if it is not 200, and the length of the headers with their empty line (§6.1: CGI/1.1). `None` if the
/// bytes do not begin with headers.
fn split(bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let mut status = None;
    let mut at = 0;
    loop {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')?;
        let line = bytes[at..end].strip_suffix(b"\r").unwrap_or(&bytes[at..end]);
        let is_first = at == 0;
        at = end + 1;
        if line.is_empty() {
            return (!is_first).then_some((status, at));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"status") && !value.starts_with(b"200") {
            let number = value.split(|byte| *byte == b' ').next().unwrap_or_default();
            status = Some(String::from_utf8_lossy(number).into_owned());
        }
    }
}

/// The lines, with consecutive lines of `/stream` as one line without a number. Headers of a second response are left
/// out. Only they end in CR LF; the lines that handlers write end in LF.
fn parts_once(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<&[u8]> = lines.filter(|line| !line.ends_with(b"\r\n")).collect();
    for line in &mut lines {
        // The last line may be incomplete, because only the first bytes are kept.
        if line.starts_with(b"part ") || b"part ".starts_with(line) {
            *line = b"part ...\n";
        }
    }
    lines.dedup();
    lines.concat()
}

fn quoted(bytes: &[u8], len: usize) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = shown.escape_ascii();
    if shown.len() < len {
        format!("\"{text}\"… {len} bytes")
    } else {
        format!("\"{text}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stream::{Stderr, Stdout};
    use reusespec_wire::fastcgi::RawRecord;

    /// Compares the lines of records with the expected ones.
    fn check(show: Show, order: Order, records: &[(Stream, u16, &str)], expected: &[&str]) {
        let mut transcript = Transcript::new(show);
        let mut answering = Answering::default();
        for (stream, id, content) in records {
            let mut bytes = Vec::new();
            RawRecord::new(Kind::Stream(*stream), *id, content.as_bytes()).append_to(&mut bytes);
            transcript.take(
                &Record::new_checked(bytes.as_slice()).unwrap(),
                &mut answering,
                "-",
            );
        }
        assert_eq!(transcript.lines(order), expected);
    }

    #[test]
    fn stdout_of_one_id_is_one_line_and_its_headers_are_left_out() {
        let records = [
            (Stdout, 1, "Status: 404 Not Found\r\nX: y\r\n"),
            (Stdout, 1, "\r\nno"),
            (Stdout, 1, "thing\n"),
            (Stdout, 1, ""),
        ];
        let expected = [r#"< STDOUT id=1 404 "nothing\n""#, "< STDOUT id=1 end"];
        check(Show::Body, Order::Arrival, &records, &expected);
    }

    #[test]
    fn interleaved_stdout_is_one_line_when_ordered_by_id() {
        let records = [
            (Stdout, 1, "Status: 200 OK\r\n\r\n"),
            (Stdout, 2, "X: y\r\n\r\nother"),
            (Stdout, 1, "body"),
        ];
        let expected = [r#"< STDOUT id=1 "body""#, r#"< STDOUT id=2 "other""#];
        check(Show::Body, Order::ById, &records, &expected);
    }

    #[test]
    fn any_number_of_stream_parts_is_one_line() {
        let few: &[_] = &[(Stdout, 1, "part 7\npart 8\nstdin=0\n")];
        let many = &[
            (Stdout, 1, "part 17\npart 18\n"),
            (Stdout, 1, "part 19\nstdin=0\n"),
        ];
        for records in [few, many] {
            let expected = [r#"< STDOUT id=1 "part ...\nstdin=0\n""#];
            check(Show::Once, Order::Arrival, records, &expected);
        }
    }

    #[test]
    fn one_unaligned_record_is_reported() {
        let records = [(Stdout, 1, "12345678"), (Stdout, 1, "")];
        let kept = ["< STDOUT id=1 end", "< boundaries of 8 bytes kept"];
        check(Show::Alignment, Order::Arrival, &records, &kept);
        let records = [(Stdout, 1, "1"), (Stdout, 1, "")];
        let not_kept = ["< STDOUT id=1 end", "< boundaries of 8 bytes not kept"];
        check(Show::Alignment, Order::Arrival, &records, &not_kept);
    }

    #[test]
    fn a_response_without_headers_is_shown_whole() {
        let records = [(Stdout, 1, "HTTP/1.1 200 OK\r\n\r\nx")];
        let expected = [r#"< STDOUT id=1 without headers "HTTP/1.1 200 OK\r\n\r\nx""#];
        check(Show::Body, Order::Arrival, &records, &expected);
    }

    #[test]
    fn lines_are_ordered_by_id_and_arrival() {
        let records = [(Stdout, 2, ""), (Stderr, 1, "b"), (Stderr, 1, "a")];
        let expected = ["< STDERR id=1 \"b\"", "< STDERR id=1 \"a\"", "< STDOUT id=2 end"];
        check(Show::Body, Order::ById, &records, &expected);
    }
}
