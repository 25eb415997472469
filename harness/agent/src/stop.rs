//! Why a step has no result, for executors of every family.

use std::io;

use reusespec_core::Observed;

use crate::program::ProgramError;

/// Why a step has no result.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The system refused; the name of the error is the result.
    Refused(io::Error),
    /// The platform lacks something.
    Unsupported(String),
    /// Nothing was found out.
    Broken(String),
    /// What the step works on is spent: an earlier labelled step on it failed.
    Poisoned,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<nix::errno::Errno> for Stop {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Refused(errno.into())
    }
}

/// What a program's trouble means for a case.
impl From<ProgramError> for Stop {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Unsupported(reason) => Self::Unsupported(reason),
            other => Self::Broken(with_source(&other)),
        }
    }
}

/// The error and what caused it, on one line.
pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What a step comes to.
pub(crate) type Answer = Result<Observed, Stop>;
