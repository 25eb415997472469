//! One exchange as text: `>` marks what the client did, `<` what it received.
//!
//! A transcript is part of a snapshot. It therefore omits values that differ from run to run (`Date`, `Server`,
//! ports) and shows only the fields that decide about the connection; changes in other fields do not appear.

use std::fmt::{self, Write};

use super::connection_end::ConnectionEnd;
use super::field::{FieldLine, elements};
use super::outcome::Tail;
use super::request::{Request, RequestBody};
use super::response::{Framing, Head, Response};

/// Most bytes of content, raw input or leftovers that a line shows.
const SHOWN_MAX: usize = 64;

/// The lines of one connection's exchange, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<String>,
}

impl Transcript {
    /// Adds a request: `> POST /echo HTTP/1.1 connection="close" content-length=5 "hello"`.
    pub fn sent(&mut self, request: &Request) {
        let mut line = format!("> {} {} {}", request.method, request.target, request.version);
        let host = |name: &str| name.eq_ignore_ascii_case("host");
        for (name, value) in request.fields.iter().filter(|(name, _)| !host(name)) {
            line.push_str(&format!(
                " {name}={}",
                content(value.as_bytes(), value.len() as u64).trim_start()
            ));
        }
        match &request.body {
            RequestBody::None => {}
            RequestBody::ContentLength { declared, sent } => {
                line.push_str(&format!(
                    " content-length={declared}{}",
                    content(sent, sent.len() as u64)
                ));
            }
            RequestBody::Chunked { chunks, .. } => line.push_str(&format!(" chunked={}", chunks.len())),
            RequestBody::Both { declared, chunks } => {
                line.push_str(&format!(" content-length={declared} chunked={}", chunks.len()));
            }
        }
        self.lines.push(line);
    }

    /// Adds bytes that were sent as they are: `> raw "GET / HT"`.
    pub fn sent_raw(&mut self, bytes: &[u8]) {
        self.lines
            .push(format!("> raw{}", content(bytes, bytes.len() as u64)));
    }

    /// Adds another action, by its name in the scenario: `> half-close`, `> control disable-keep-alives`.
    pub fn performed(&mut self, action: &str) {
        self.lines.push(format!("> {action}"));
    }

    /// Adds a complete reply, after its interim replies.
    pub fn received(&mut self, response: &Response) {
        for interim in &response.interim {
            self.lines.push(format!("< {}", HeadLine(interim)));
        }
        self.lines.push(format!("< {}", reply(response, Content::Whole)));
    }

    /// Adds the bytes after the last complete reply; [`Tail::Nothing`] adds no line.
    pub fn remaining(&mut self, tail: &Tail) {
        let line = match tail {
            Tail::Nothing => return,
            Tail::Head(bytes) => format!("< head cut{}", content(bytes, bytes.len() as u64)),
            Tail::Body(response) => format!("< {} cut", reply(response, Content::Truncated)),
            Tail::Tunnel(bytes) => format!("< tunnel{}", content(bytes, bytes.len() as u64)),
            Tail::Malformed { error, kept, total } => format!("< {error}{}", content(kept, *total)),
        };
        self.lines.push(line);
    }

    /// Adds the end of the connection: `< FIN`.
    pub fn ended(&mut self, ended: &ConnectionEnd) {
        self.lines.push(format!("< {ended}"));
    }
}

/// The lines, without a line end after the last.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// `200 HTTP/1.1 close`: the code, the version, and each connection option as sent.
struct HeadLine<'a>(&'a Head);

impl fmt::Display for HeadLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { status, fields, .. } = self.0;
        write!(f, "{} {}", status.code, status.version)?;
        elements(fields, "connection").try_for_each(|option| write!(f, " {}", option.escape_ascii()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Whole,
    /// The connection ended within the content. The number of bytes that arrived differs from run to run.
    Truncated,
}

fn reply(response: &Response, state: Content) -> String {
    let mut line = HeadLine(&response.head).to_string();
    line.push_str(&match response.framing {
        Framing::None => format!(" no-body{}", unused_lengths(&response.head.fields)),
        Framing::ContentLength(length) => format!(" content-length={length}"),
        Framing::Chunked => format!(" chunked{}", unused_lengths(&response.head.fields)),
        Framing::UntilClose => " until-close".to_owned(),
        Framing::Tunnel => " tunnel".to_owned(),
    });
    if response.framing != Framing::None {
        let all = content(response.body.kept(), response.body.total());
        let counted = all.rsplit_once("… ").filter(|_| state == Content::Truncated);
        line.push_str(&counted.map_or_else(|| all.clone(), |(shown, _)| format!("{shown}…")));
    }
    for trailer in &response.trailers {
        write!(line, " trailer=\"{}\"", trailer.raw().escape_ascii())
            .expect("writing to a String does not fail");
    }
    line.push_str(if response.solicited { "" } else { " unasked" });
    line
}

/// Lengths that did not frame the reply: next to a chunked coding, or on a reply without content.
fn unused_lengths(fields: &[FieldLine]) -> String {
    let length =
        elements(fields, "content-length").map(|value| format!(" (length {})", value.escape_ascii()));
    length.collect()
}

/// ` "text"`, or the first [`SHOWN_MAX`] bytes and the total; empty for no bytes.
fn content(kept: &[u8], total: u64) -> String {
    let is_whole = kept.len() as u64 == total;
    let kept = without_dates(kept);
    let shown = &kept[..kept.len().min(SHOWN_MAX)];
    match total {
        0 => String::new(),
        _ if is_whole && shown.len() == kept.len() => format!(" \"{}\"", shown.escape_ascii()),
        _ => format!(" \"{}\"… {total} bytes", shown.escape_ascii()),
    }
}

/// Replaces the values of `Date` fields by `*`. Leftovers may contain a head, and its time differs from run to run.
fn without_dates(bytes: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"Date: ";
    let mut undated = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        let (before, dated) = rest.split_at(at + NAME.len());
        undated.extend_from_slice(before);
        undated.push(b'*');
        let end = dated.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        rest = &dated[end.unwrap_or(dated.len())..];
    }
    undated.extend_from_slice(rest);
    undated
}
