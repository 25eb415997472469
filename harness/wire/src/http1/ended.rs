//! How a connection ended, and where in the exchange.
//!
//! Pure data: the agent sees the end and fills this in. Three facts are kept apart because each is a
//! different bug: what the peer did, how much of a reply had arrived by then, and how much of the request
//! had been written. A FIN in the middle of a reply and a FIN behind it look alike to `read`.

use std::fmt;

/// What the peer did to the connection by the end of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nothing: it is still open.
    Open,
    /// An orderly end of its stream.
    Fin,
    /// A reset, seen by a read or by a write.
    Reset,
    /// An orderly end, and a reset once more was written to it.
    FinThenReset,
}

/// Where in the replies the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyPoint {
    /// Behind a complete reply, or before the first.
    Between,
    /// Inside a status line, a field or behind an interim reply: the final one never came.
    InHead,
    /// Inside content whose length is known: its last byte never came.
    InBody,
    /// Inside content that lasts until the end: with a FIN this is complete, with a reset nobody can tell.
    InUnboundedBody,
    /// The replies had become unreadable, or the connection was a tunnel.
    Unknown,
}

/// Where in the requests the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPoint {
    /// The end was seen before the last byte to be sent was written.
    BeforeLastByte,
    /// Everything had been written.
    AfterLastByte,
}

/// How a connection ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the peer did.
    pub closing: Closing,
    /// How far its replies were.
    pub reply: ReplyPoint,
    /// How far our requests were.
    pub request: RequestPoint,
}

/// As in a transcript: `FIN`, `RST in-body`, `FIN before-last-byte-sent`, `open`.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.closing {
            Closing::Open => "open",
            Closing::Fin => "FIN",
            Closing::Reset => "RST",
            Closing::FinThenReset => "FIN then RST",
        })?;
        f.write_str(match (self.reply, self.closing) {
            (ReplyPoint::Between | ReplyPoint::Unknown, _) => "",
            (ReplyPoint::InUnboundedBody, Closing::Fin | Closing::FinThenReset) => "",
            (ReplyPoint::InHead, _) => " in-head",
            (ReplyPoint::InBody | ReplyPoint::InUnboundedBody, _) => " in-body",
        })?;
        match (self.request, self.closing) {
            (RequestPoint::BeforeLastByte, closing) if closing != Closing::Open => {
                f.write_str(" before-last-byte-sent")
            }
            _ => Ok(()),
        }
    }
}
