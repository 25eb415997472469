//! Prints records as lines of a transcript: `BEGIN id=1 responder keep-conn`, `STDOUT id=1 "ok\n"`.
//!
//! Snapshots and failure reports contain these lines; nothing parses them. An invalid record is printed with the
//! reason. Long content is printed as its first bytes and its length. Two bodies that differ only later look equal,
//! so handlers answer with checksums.

use std::fmt;

use super::{NULL_ID, Record, Repr, Stream, pairs};

/// Most content bytes that a line shows.
const SHOWN_MAX: usize = 96;

/// Prints bytes in double quotes, with everything but printable ASCII escaped; long content is truncated.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(
    /// The bytes to print.
    pub &'a [u8],
);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_MAX)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "… {} bytes", self.0.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Repr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        if self.id() != NULL_ID {
            write!(f, " id={}", self.id())?;
        }
        match *self {
            Self::Begin { role, keep_conn, .. } => {
                write!(f, " {role}{}", if keep_conn { " keep-conn" } else { "" })
            }
            Self::Abort { .. } => Ok(()),
            Self::End {
                app_status,
                protocol_status,
                ..
            } => {
                write!(f, " {protocol_status} status={app_status}")
            }
            Self::Stream { content: [], .. } => f.write_str(" end"),
            Self::Stream {
                stream: Stream::Params,
                content,
                ..
            } => write_pairs(f, content),
            Self::GetValues { content } | Self::GetValuesResult { content } => write_pairs(f, content),
            Self::UnknownType { unknown } => write!(f, " {unknown}"),
            Self::Stream { content, .. } | Self::Other { content, .. } => write!(f, " {}", Quoted(content)),
        }
    }
}

impl fmt::Display for Record<&[u8]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (Repr::parse(self), self.check_len()) {
            (Ok(repr), _) => repr.fmt(f),
            (Err(reason), Ok(())) => {
                write!(
                    f,
                    "{} id={} malformed ({reason}) {}",
                    self.kind(),
                    self.id(),
                    Quoted(self.content())
                )
            }
            (Err(reason), Err(_)) => write!(f, "cut record ({reason})"),
        }
    }
}

/// Prints complete pairs as `NAME=value`, and other content as bytes.
fn write_pairs(f: &mut fmt::Formatter<'_>, content: &[u8]) -> fmt::Result {
    let Ok(pairs) = pairs(content) else {
        return write!(f, " {}", Quoted(content));
    };
    for pair in pairs {
        let plain = |part: &[u8]| part.len() <= SHOWN_MAX && part.iter().all(u8::is_ascii_graphic);
        f.write_str(" ")?;
        for (lead, part) in [("", &pair.name), ("=", &pair.value)] {
            match part.as_slice() {
                // GET_VALUES has names only; `NAME=` would suggest that an empty value is set.
                [] if lead == "=" => {}
                part if plain(part) => write!(f, "{lead}{}", part.escape_ascii())?,
                part => write!(f, "{lead}{}", Quoted(part))?,
            }
        }
    }
    Ok(())
}
