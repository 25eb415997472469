//! Records as the lines of a transcript: `BEGIN id=1 responder keep-conn`, `STDOUT id=1 "ok\n"`.
//!
//! Used in snapshots and failure reports; only ever emitted, so there is no parser and the notation may
//! favour the reader. A record without a meaning is shown all the same, with the reason. Long contents keep
//! their first bytes and their length: two bodies that differ late look alike, which is why handlers answer
//! with checksums.

use std::fmt;

use super::{NULL_ID, Record, Repr, Stream, pairs};

/// Content bytes shown before the rest becomes a number.
const SHOWN_MAX: usize = 96;

/// Bytes in double quotes, everything but printable ASCII escaped, long ones cut.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(
    /// The bytes to show.
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

/// Whole pairs as `NAME=value`, a piece of a stream that does not split into pairs as bytes.
fn write_pairs(f: &mut fmt::Formatter<'_>, content: &[u8]) -> fmt::Result {
    let Ok(pairs) = pairs(content) else {
        return write!(f, " {}", Quoted(content));
    };
    for pair in pairs {
        let plain = |part: &[u8]| part.len() <= SHOWN_MAX && part.iter().all(u8::is_ascii_graphic);
        f.write_str(" ")?;
        for (lead, part) in [("", &pair.name), ("=", &pair.value)] {
            match part.as_slice() {
                // A query has names only; `NAME=` would suggest that an empty value was set.
                [] if lead == "=" => {}
                part if plain(part) => write!(f, "{lead}{}", part.escape_ascii())?,
                part => write!(f, "{lead}{}", Quoted(part))?,
            }
        }
    }
    Ok(())
}
