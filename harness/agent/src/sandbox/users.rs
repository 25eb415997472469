//! The users a case can act as. Scenarios name them `alice`, `bob` and `root`; this module knows their numbers.
//!
//! A process without privileges can map only its own user into a namespace. Therefore a second user is a capability
//! that scenarios require. newuidmap(1) could map more users, but it is a setuid program and needs a range in
//! /etc/subuid.

use std::io;

use nix::unistd::{Gid, Uid, geteuid};
use reusespec_core::step::socket::User;

const ALICE: u32 = 1001;
const BOB: u32 = 1002;

/// The users that a case can act as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// All users, because the agent runs as root.
    Many,
    /// Only the user as which the agent runs, who is root inside a namespace. The text says why.
    One(String),
}

impl Users {
    /// The users that this process can act as without a namespace.
    pub(crate) fn of_this_process() -> Self {
        if geteuid().is_root() {
            Self::Many
        } else {
            Self::One("acting as a second user needs root: run the agent as root".to_owned())
        }
    }

    /// Why the case cannot act as this user, if it cannot.
    pub(crate) fn lacks(&self, user: User) -> Option<String> {
        match (self, user) {
            (Self::Many, _) | (_, User::Root | User::Unprivileged) => None,
            (Self::One(reason), User::Alice | User::Bob) => Some(reason.clone()),
        }
    }
}

/// Runs `act` as a user, and then becomes root again.
///
/// Only the effective ids change. The kernel checks those when a socket is created or bound, and the saved ids allow
/// the way back. Where there is no second user, `unprivileged` drops the effective capabilities instead.
pub(crate) fn act_as<T>(users: &Users, user: User, act: impl FnOnce() -> T) -> io::Result<T> {
    let number = match (user, users) {
        (User::Root, _) => return Ok(act()),
        (User::Alice, _) | (User::Unprivileged, Users::Many) => ALICE,
        (User::Bob, _) => BOB,
        (User::Unprivileged, Users::One(_)) => return without_privileges(act),
    };
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    nix::unistd::setegid(Gid::from_raw(number))?;
    nix::unistd::seteuid(Uid::from_raw(number))?;
    let result = act();
    nix::unistd::seteuid(root)?;
    nix::unistd::setegid(group)?;
    Ok(result)
}

#[cfg(target_os = "linux")]
fn without_privileges<T>(act: impl FnOnce() -> T) -> io::Result<T> {
    let kept = capability::effective()?;
    capability::set_effective([0, 0])?;
    let result = act();
    capability::set_effective(kept)?;
    Ok(result)
}

#[cfg(not(target_os = "linux"))]
fn without_privileges<T>(act: impl FnOnce() -> T) -> io::Result<T> {
    Ok(act())
}

/// capget(2) and capset(2), for which libc has no functions.
#[cfg(target_os = "linux")]
mod capability {
    use std::io;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    /// `_LINUX_CAPABILITY_VERSION_3`: each set has two words.
    const VERSION_3: u32 = 0x2008_0522;

    fn get() -> io::Result<[Set; 2]> {
        let mut header = Header {
            version: VERSION_3,
            pid: 0,
        };
        let mut sets = [Set::default(); 2];
        // SAFETY: the kernel writes two `Set`s, as version 3 of the header promises.
        let status = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
        if status == 0 {
            Ok(sets)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    pub(super) fn effective() -> io::Result<[u32; 2]> {
        get().map(|[low, high]| [low.effective, high.effective])
    }

    pub(super) fn set_effective(words: [u32; 2]) -> io::Result<()> {
        let mut sets = get()?;
        sets.iter_mut()
            .zip(words)
            .for_each(|(set, word)| set.effective = word);
        let mut header = Header {
            version: VERSION_3,
            pid: 0,
        };
        // SAFETY: the kernel reads two `Set`s, as version 3 of the header promises.
        let status = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
        if status == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}
