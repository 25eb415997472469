//! Why a step has no result, for executors of every family.

use std::io;

use reusespec_core::Observed;

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
    Spent,
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

/// What a step comes to.
pub(crate) type Answer = Result<Observed, Stop>;
