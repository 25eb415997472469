//! One exchange as text: `>` is what we did, `<` what came back.
//!
//! Only ever written, never read back, so it may say less than the wire did: of the fields it shows those
//! that decide about the connection. What varies from run to run (`Date`, `Server`, ports) stays out, which
//! is what lets a transcript stand in a snapshot; the price is that a change in another field is not seen.

use std::fmt::{self, Write};

use super::ended::Ended;
use super::field::{FieldLine, elements};
use super::outcome::Tail;
use super::request::{Request, RequestBody};
use super::response::{Framing, Head, Response};

/// Bytes of content, raw input or leftovers that a line shows.
const SHOWN_MAX: usize = 64;

/// The lines of one connection's exchange in the order things happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<String>,
}

impl Transcript {
    /// A request: `> POST /echo HTTP/1.1 connection="close" content-length=5 "hello"`.
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

    /// Bytes of no typed request: `> raw "GET / HT"`.
    pub fn sent_raw(&mut self, bytes: &[u8]) {
        self.lines
            .push(format!("> raw{}", content(bytes, bytes.len() as u64)));
    }

    /// Something else we did, by its name in the scenario: `> half-close`, `> control disable-keep-alives`.
    pub fn did(&mut self, what: &str) {
        self.lines.push(format!("> {what}"));
    }

    /// A complete reply, its interim replies before it.
    pub fn received(&mut self, response: &Response) {
        for interim in &response.interim {
            self.lines.push(format!("< {}", Shown(interim)));
        }
        self.lines.push(format!("< {}", reply(response, Told::WithCount)));
    }

    /// What was left on the wire behind the last complete reply; nothing leaves no line.
    pub fn left(&mut self, tail: &Tail) {
        let line = match tail {
            Tail::Nothing => return,
            Tail::Head(bytes) => format!("< head cut{}", content(bytes, bytes.len() as u64)),
            Tail::Body(response) => format!("< {} cut", reply(response, Told::WithoutCount)),
            Tail::Tunnel(bytes) => format!("< tunnel{}", content(bytes, bytes.len() as u64)),
            Tail::Malformed { error, kept, total } => format!("< {error}{}", content(kept, *total)),
        };
        self.lines.push(line);
    }

    /// How it ended: `< FIN`.
    pub fn ended(&mut self, ended: &Ended) {
        self.lines.push(format!("< {ended}"));
    }
}

/// One line each, without a line end behind the last.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// `200 HTTP/1.1 close`: the code, the version, and each connection option as sent.
struct Shown<'a>(&'a Head);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head { status, fields, .. } = self.0;
        write!(f, "{} {}", status.code, status.version)?;
        elements(fields, "connection").try_for_each(|option| write!(f, " {}", option.escape_ascii()))
    }
}

/// Whether long content is told with its true count: where it was cut, the count is chance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    WithCount,
    WithoutCount,
}

fn reply(response: &Response, told: Told) -> String {
    let mut line = Shown(&response.head).to_string();
    line.push_str(&match response.framing {
        Framing::None => format!(" no-body{}", promised(&response.head.fields)),
        Framing::ContentLength(length) => format!(" content-length={length}"),
        Framing::Chunked => format!(" chunked{}", promised(&response.head.fields)),
        Framing::UntilClose => " until-close".to_owned(),
        Framing::Tunnel => " tunnel".to_owned(),
    });
    if response.framing != Framing::None {
        let all = content(response.body.kept(), response.body.total());
        let counted = all.rsplit_once("… ").filter(|_| told == Told::WithoutCount);
        line.push_str(&counted.map_or_else(|| all.clone(), |(shown, _)| format!("{shown}…")));
    }
    for trailer in &response.trailers {
        write!(line, " trailer=\"{}\"", trailer.raw().escape_ascii()).expect("a string takes everything");
    }
    line.push_str(if response.solicited { "" } else { " unasked" });
    line
}

/// Framing fields that did not frame: a length beside chunked, a length or a coding on a reply without content.
fn promised(fields: &[FieldLine]) -> String {
    let length =
        elements(fields, "content-length").map(|value| format!(" (length {})", value.escape_ascii()));
    length.collect()
}

/// ` "text"`, cut after [`SHOWN_MAX`] bytes with the true count; nothing where there is nothing.
fn content(kept: &[u8], total: u64) -> String {
    let is_whole = kept.len() as u64 == total;
    let kept = undated(kept);
    let shown = &kept[..kept.len().min(SHOWN_MAX)];
    match total {
        0 => String::new(),
        _ if is_whole && shown.len() == kept.len() => format!(" \"{}\"", shown.escape_ascii()),
        _ => format!(" \"{}\"… {total} bytes", shown.escape_ascii()),
    }
}

/// The bytes without the values of `Date` fields: what is no reply may have a head in it, and the time is chance.
fn undated(bytes: &[u8]) -> Vec<u8> {
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
