//! Who a case can act as. Numbers are this module's business; scenarios say `alice`, `bob`, `root`.
//!
//! An ordinary user can map only himself into a namespace. That is why two users are a capability and not a
//! fact; newuidmap(1) could give more, at the price of a setuid program and a range in /etc/subuid.

use std::io;

use nix::unistd::{Gid, Uid, geteuid};
use reusespec_core::step::socket::User;

const ALICE: u32 = 1001;
const BOB: u32 = 1002;

/// The users at hand inside a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// Root can become anybody.
    Many,
    /// Only the user the agent runs as, who is root inside a namespace; the text says why.
    One(String),
}

impl Users {
    /// The users a process has without any namespace.
    pub(crate) fn of_this_process() -> Self {
        if geteuid().is_root() {
            Self::Many
        } else {
            Self::One("acting as a second user needs root: run the agent as root".to_owned())
        }
    }

    /// Why a user cannot be had, if so.
    pub(crate) fn lacks(&self, user: User) -> Option<String> {
        match (self, user) {
            (Self::Many, _) | (_, User::Root | User::Unprivileged) => None,
            (Self::One(reason), User::Alice | User::Bob) => Some(reason.clone()),
        }
    }
}

/// Runs something as a user and comes back.
///
/// Only the effective ids change, so that the saved ones lead back; they are what the kernel looks at when a
/// socket is made or bound. Without a second user, `unprivileged` drops the effective capabilities instead.
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

/// capget(2) and capset(2): two system calls that no kept crate for this needs a page of code for.
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

    /// `_LINUX_CAPABILITY_VERSION_3`: two words of each set.
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
