//! A user and a network namespace for the process of a case.
//!
//! If the agent runs as root, the lower 65 536 users are mapped into the namespace, so that a case can act as several.
//! That needs a privilege in the parent namespace, so the agent loop writes the map. Otherwise the process maps its own
//! user to root, which needs no privilege.

use std::fs::File;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid};

use super::{Users, sysctl};
use crate::report::Reporter;

const MAPPED_USERS: u32 = 65_536;

/// Enters namespaces once in a child process. The error says why they are not available.
pub(super) fn probe() -> Result<Users, String> {
    let users = Users::of_this_process();
    // SAFETY: the agent has one thread, so the child may run ordinary code.
    match unsafe { fork() } {
        Err(error) => Err(format!("fork: {error}")),
        Ok(ForkResult::Child) => {
            let entered = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET);
            let status = entered.map_or_else(|error| error as i32, |()| 0);
            // SAFETY: `_exit` only ends the process.
            unsafe { libc::_exit(status) }
        }
        Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(users),
            Ok(WaitStatus::Exited(_, number)) => Err(refusal(number)),
            Ok(status) => Err(format!("the trial process ended with {status:?}")),
            Err(error) => Err(format!("waitpid: {error}")),
        },
    }
}

/// Keeps the other cases of this agent from setting controls until the result is dropped. `None` if the lock is not available.
///
/// The lock is on the agent's own executable, which all processes of cases can open.
pub(super) fn lock_controls() -> Option<File> {
    let file = File::open("/proc/self/exe").ok()?;
    file.lock().ok()?;
    Some(file)
}

/// Whether a control that was just set belongs to this network namespace. gVisor has one value of some controls for all
/// namespaces, so a case that sets one would change what other cases see.
///
/// A child process sets the control to a value next to it in a namespace of its own. If the value changes here, it is
/// set back.
pub(super) fn is_of_namespace(control: &str) -> io::Result<bool> {
    let value = sysctl::get(control)?;
    let Some(other) = value_beside(&value) else {
        return Ok(true);
    };
    // SAFETY: the child writes a file and ends. A case sets controls before it starts threads.
    match unsafe { fork() }? {
        ForkResult::Child => {
            if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
                // A refusal changes nothing, which is what the parent checks.
                let _ = sysctl::set(control, &other);
            }
            // SAFETY: `_exit` only ends the process.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    if sysctl::get(control)? == value {
        return Ok(true);
    }
    sysctl::set(control, &value)?;
    Ok(false)
}

/// The value with its last number changed by one. `None` if it does not end with a number.
fn value_beside(value: &str) -> Option<String> {
    let (before, last) = value
        .rsplit_once(' ')
        .map_or(("", value), |(before, last)| (before, last));
    let last: i64 = last.parse().ok()?;
    let beside = if last == 0 { 1 } else { last - 1 };
    Some(format!("{before} {beside}").trim_start().to_owned())
}

/// Explains the kernel's error.
fn refusal(number: i32) -> String {
    let limit = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let cure = match number {
        libc::ENOSPC if limit("/proc/sys/user/max_user_namespaces") == "0" => {
            "user.max_user_namespaces is 0; raise it with sysctl(8)"
        }
        libc::ENOSPC => "a limit of user.max_user_namespaces or user.max_net_namespaces is reached",
        libc::EPERM | libc::EACCES => {
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns or a \
             container's seccomp filter forbids it"
        }
        libc::EINVAL => "the kernel was built without user or network namespaces",
        _ => "see unshare(2)",
    };
    let error = io::Error::from_raw_os_error(number);
    format!("namespaces are refused ({}): {cure}", crate::errno::name(&error))
}

/// Moves this process into fresh namespaces, in which it is root.
pub(super) fn enter(users: &Users, reporter: &mut Reporter) -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    match users {
        Users::Many => reporter.ask_for_users(),
        Users::One(_) => {
            std::fs::write("/proc/self/setgroups", "deny")?;
            std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
            std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))
        }
    }
}

/// Maps users into the namespace of a case. The agent loop calls it, because it has the privilege.
pub(crate) fn map_users(case: Pid) -> io::Result<()> {
    let map = format!("0 0 {MAPPED_USERS}");
    std::fs::write(format!("/proc/{case}/uid_map"), &map)?;
    std::fs::write(format!("/proc/{case}/gid_map"), &map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_beside_differs_in_its_last_number() {
        assert_eq!(value_beside("40000 40015").as_deref(), Some("40000 40014"));
        assert_eq!(value_beside("0").as_deref(), Some("1"));
        assert_eq!(value_beside("1").as_deref(), Some("0"));
        assert_eq!(value_beside("cubic"), None);
    }
}
