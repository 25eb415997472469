//! Why a step has no result.

use std::io;

use reusespec_core::Observed;
use reusespec_reference::keepalive::KeepaliveError;
use reusespec_reference::sockets::SocketError;

use crate::errno;
use crate::peer::PeerError;
use crate::program::ProgramError;
use crate::report::LoopGone;

/// The result of a step.
pub(crate) type Answer = Result<Observed, Stop>;

/// Why a step has no result. [`crate::execute`] decides what that means for the case.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The system or the implementation refused the step. The word is the result: the error's name, or `refused`.
    Refused(String),
    /// The platform or the implementation lacks something that the step needs.
    Unsupported(String),
    /// The result could not be determined.
    Broken(String),
    /// An earlier labelled step on the same socket or connection failed.
    Poisoned,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(errno::name(&error))
    }
}

impl From<nix::errno::Errno> for Stop {
    fn from(errno: nix::errno::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<SocketError> for Stop {
    fn from(error: SocketError) -> Self {
        error.source.into()
    }
}

/// `refused` where the reference itself rejects a value, the kernel's error where it passes one on.
impl From<KeepaliveError> for Stop {
    fn from(error: KeepaliveError) -> Self {
        match error {
            KeepaliveError::Kernel { source, .. } => source.into(),
            KeepaliveError::Period { .. } | KeepaliveError::Count { .. } => {
                Self::Refused("refused".to_owned())
            }
        }
    }
}

impl From<ProgramError> for Stop {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Unsupported(reason) => Self::Unsupported(reason),
            ProgramError::Refused(word) => Self::Refused(word),
            ProgramError::NotStarted { .. } | ProgramError::Failed { .. } => Self::broken(&error),
        }
    }
}

/// A kernel that answers a request for the wire with one of these errors does not have that part of the wire at all.
const NO_WIRE: [i32; 7] = [
    libc::EAFNOSUPPORT,
    libc::ENOPROTOOPT,
    libc::ENOSYS,
    libc::ENOTTY,
    libc::EOPNOTSUPP,
    libc::EPROTONOSUPPORT,
    libc::ESOCKTNOSUPPORT,
];

impl From<PeerError> for Stop {
    fn from(error: PeerError) -> Self {
        match &error {
            PeerError::Wire { step, source }
                if source
                    .raw_os_error()
                    .is_some_and(|number| NO_WIRE.contains(&number)) =>
            {
                let name = errno::name(source);
                Self::Unsupported(format!("this kernel has no wire: it cannot {step} ({name})"))
            }
            PeerError::Wire { .. } | PeerError::Broken(_) | PeerError::Late { .. } => Self::broken(&error),
        }
    }
}

impl From<LoopGone> for Stop {
    fn from(error: LoopGone) -> Self {
        Self::broken(&error)
    }
}

impl Stop {
    /// The system call on a socket option failed. ENOPROTOOPT means that an older kernel does not have the option, or
    /// that an emulator of its CPU does not pass it on: qemu-user does not know IP_BIND_ADDRESS_NO_PORT, for example.
    pub(crate) fn of_option(option: impl std::fmt::Debug, error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ENOPROTOOPT) {
            let reason = format!("{option:?} is not known to this kernel, or to what emulates its CPU");
            return Self::Unsupported(reason);
        }
        error.into()
    }

    /// [`Self::Broken`] with the error and its source on one line.
    pub(crate) fn broken(error: &dyn std::error::Error) -> Self {
        Self::Broken(match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }
}
