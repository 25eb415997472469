//! How a connection ended, and at which point of the exchange.
//!
//! The agent observes the end and fills in these types. They keep three facts apart because each reveals another
//! bug: what the peer did, how much of a reply had arrived, and how much of the requests had been written. `read`
//! returns 0 both for a FIN in the middle of a reply and for a FIN after it.

use std::fmt;

/// What the peer had done to the connection when the case stopped reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nothing: the connection is still open.
    Open,
    /// The peer sent FIN.
    Fin,
    /// The peer sent RST; a read or a write reported it.
    Reset,
    /// The peer sent FIN, and RST in response to a later write.
    FinThenReset,
}

/// Position in the replies at which the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyPoint {
    /// After a complete reply, or before the first.
    Between,
    /// Inside a status line or a field, or after an interim reply: the final reply did not arrive.
    InHead,
    /// Inside content whose end is known: its last byte did not arrive.
    InBody,
    /// Inside content that lasts until the connection ends: complete after FIN, possibly truncated after RST.
    InUnboundedBody,
    /// The replies had become unreadable, or the connection had become a tunnel.
    Unknown,
}

/// Position in the requests at which the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPoint {
    /// Before the last byte was written.
    BeforeLastByte,
    /// After the last byte was written.
    AfterLastByte,
}

/// How and when a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionEnd {
    /// What the peer did.
    pub closing: Closing,
    /// How much of the replies had arrived.
    pub reply: ReplyPoint,
    /// How much of the requests had been written.
    pub request: RequestPoint,
}

/// Prints the words of a transcript: `FIN`, `RST in-body`, `FIN before-last-byte-sent`, `open`.
impl fmt::Display for ConnectionEnd {
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
