//! Answers that say why a request has no result.
//!
//! An error of the kernel is answered by its name. An `InvalidInput` without a number of the kernel is a refusal by the
//! library.

use std::io;
use std::net::AddrParseError;

use nix::errno::Errno;
use serde_json::{Value, json};

/// Why a request has no result.
pub(crate) enum Answer {
    /// Nothing came within the time.
    Nothing,
    /// The API has no such function.
    Unsupported(String),
    /// The library rejects a value.
    Refused(String),
    /// A call failed.
    Failed(String),
}

/// What a call of an API returns.
pub(crate) type Outcome<T> = Result<T, Answer>;

impl Answer {
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Nothing => json!("nothing"),
            Self::Unsupported(what) => json!({ "unsupported": what }),
            Self::Refused(why) => json!({ "refused": why }),
            Self::Failed(why) => json!({ "failed": why }),
        }
    }
}

impl From<io::Error> for Answer {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::UnknownErrno) => Self::Failed(error.to_string()),
            Some(known) => Self::Failed(format!("{known:?}")),
            None if error.kind() == io::ErrorKind::InvalidInput => Self::Refused(error.to_string()),
            None => Self::Failed(error.to_string()),
        }
    }
}

impl From<AddrParseError> for Answer {
    fn from(error: AddrParseError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// The answer of an API that lacks a function.
pub(crate) fn unsupported<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Answer::Unsupported(what.into()))
}
