//! Requests the server answers without asking a handler, and the end of an exchange.
//!
//! Every refusal closes the connection: where a request could not be understood, neither can the place
//! where the next one would start. That is more than the RFC asks for a missing `Host`, and never wrong.

use std::io;

use thiserror::Error;

/// Why a request is refused; determines the status of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// Bad syntax, `Host` or framing (RFC 9112 §2.2, §3.2, §5.1, §6.3, §7.1).
    #[error("bad request")]
    Malformed,
    /// CONNECT: this is an origin server (RFC 9110 §9.3.6).
    #[error("method not allowed")]
    Method,
    /// The rest of a request did not arrive in time (RFC 9110 §15.5.9).
    #[error("request timeout")]
    Timeout,
    /// More content than `body_bytes_max`.
    #[error("content too large")]
    Content,
    /// `Expect` asks for something other than 100-continue (RFC 9110 §10.1.1).
    #[error("expectation failed")]
    Expectation,
    /// A head or trailer section past the limit (RFC 6585 §5).
    #[error("request header fields too large")]
    Fields,
    /// A transfer coding other than chunked (RFC 9112 §6.1).
    #[error("not implemented")]
    Coding,
    /// Another major version (RFC 9110 §15.6.6).
    #[error("HTTP version not supported")]
    Version,
}

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::Content => 413,
            Self::Expectation => 417,
            Self::Fields => 431,
            Self::Coding => 501,
            Self::Version => 505,
        }
    }
}

/// Why an exchange cannot go on.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    /// The request is refused while its content is read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection has failed.
    #[error("the connection failed")]
    Gone(#[from] io::Error),
}
