//! Steps that test a web server: it is visited over HTTP, and we are the application behind it.
//!
//! What a web server sends is summed up, not shown record by record: two of them never send the same variables, and
//! what the specification asks of all of them is how they use connections, ids, flags and streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::once;

step! {
    /// Keys of `web-server`.
    WebServer {
        /// Whether its configuration asks for connections that are kept.
        #[serde(default)]
        keep_conn: bool,
        /// How we answer.
        #[serde(default)]
        answer: Answering,
    }
    /// Keys of `visit`.
    Visit {
        /// How many times, one after the other, each on a connection of its own.
        #[serde(default = "once")]
        times: u32,
        /// Bytes of the body; a request without one is a GET.
        #[serde(default)]
        body: usize,
        /// Bytes in a header field of the request, which becomes a variable.
        #[serde(default)]
        header: usize,
        /// Leave when the application has the request, without waiting for the answer.
        #[serde(default)]
        leave: bool,
    }
    /// Keys of `recorded`.
    Recorded {
        /// Wait until a request has been given up, but not for ever.
        #[serde(default)]
        given_up: bool,
    }
}

/// How the application answers a web server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// When the request is whole.
    #[default]
    Whole,
    /// The same with padding behind each record, also the empty ones and END_REQUEST.
    Padded,
    /// As soon as PARAMS have ended.
    Early,
    /// Not at all.
    Never,
    /// Whole, with STDERR records before, between and after those of STDOUT.
    Complaining,
    /// Whole, a STDOUT record a byte.
    InPieces,
    /// Whole, with a body of 200 005 bytes.
    Long,
    /// Whole, but for the empty record that ends STDOUT.
    StdoutOpen,
    /// Whole, with the exit status 1.
    Failing,
    /// END_REQUEST alone, with FCGI_OVERLOADED.
    Overloaded,
    /// END_REQUEST alone, with FCGI_CANT_MPX_CONN.
    CantMpxConn,
    /// END_REQUEST alone, with FCGI_UNKNOWN_ROLE.
    UnknownRole,
    /// Whole, and the connection is closed, whatever FCGI_KEEP_CONN says.
    Closing,
    /// Whole, and a byte follows that is no record.
    Stray,
    /// Whole, under an id that nobody has begun.
    OtherId,
    /// Whole, in records of version 2.
    OtherVersion,
    /// The connection is closed inside the body.
    CutOff,
}
