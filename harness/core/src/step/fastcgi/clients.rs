//! Steps that test a web server. The agent is its HTTP client and its FastCGI application.
//!
//! The records of a web server are summarised, not shown one by one. No two web servers send the same variables, and
//! the specification is about the use of connections, ids, flags and streams.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::once;

step! {
    /// Keys of `web-server`.
    WebServer {
        /// Whether the web server is configured to keep connections open.
        #[serde(default)]
        keep_conn: bool,
        /// How the application answers.
        #[serde(default)]
        answer: Answering,
    }
    /// Keys of `visit`.
    Visit {
        /// The number of requests, made one after the other, each on a new connection.
        #[serde(default = "once")]
        times: u32,
        /// The length of the request's body in bytes. With 0 the request is a GET, otherwise a POST.
        #[serde(default)]
        body: usize,
        /// The length in bytes of an additional header field, which becomes a variable.
        #[serde(default)]
        header: usize,
        /// Whether the client closes its connection when the application has the request, without waiting for the
        /// answer.
        #[serde(default)]
        leave: bool,
    }
    /// Keys of `recorded`.
    Recorded {
        /// Whether to wait until a request has been given up. The wait has a timeout.
        #[serde(default)]
        given_up: bool,
    }
}

/// How the application answers a web server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// When the request is complete.
    #[default]
    Whole,
    /// As `whole`, with padding after each record, also the empty ones and END_REQUEST.
    Padded,
    /// As soon as PARAMS have ended.
    Early,
    /// Never.
    Never,
    /// As `whole`, with STDERR records before, between and after those of STDOUT.
    Complaining,
    /// As `whole`, with a STDOUT record for each byte.
    InPieces,
    /// As `whole`, with a body of 200 005 bytes.
    Long,
    /// As `whole`, without the empty record that ends STDOUT.
    StdoutOpen,
    /// As `whole`, with exit status 1.
    Failing,
    /// END_REQUEST alone, with FCGI_OVERLOADED.
    Overloaded,
    /// END_REQUEST alone, with FCGI_CANT_MPX_CONN.
    CantMpxConn,
    /// END_REQUEST alone, with FCGI_UNKNOWN_ROLE.
    UnknownRole,
    /// As `whole`, and closes the connection, also if FCGI_KEEP_CONN is set.
    Closing,
    /// As `whole`, followed by a byte that is not part of a record.
    Stray,
    /// As `whole`, with the id of a request that was not begun.
    OtherId,
    /// As `whole`, in records of version 2.
    OtherVersion,
    /// Closes the connection inside the body.
    CutOff,
}
