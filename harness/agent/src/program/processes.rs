//! Runs a program in its own PID namespace: when the first process of the namespace dies, the kernel kills the others.
//!
//! `unshare(CLONE_NEWPID)` takes effect for the *next* child, so the command forks once more, and its parent waits for
//! the program. The case process itself cannot call `unshare`: afterwards it could start no thread, and the reference
//! runs in one.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;

/// The PID namespace a program runs in.
pub(super) enum Namespace {
    /// A new one.
    Own,
    /// The namespace of a running program, as a file in /proc.
    Of(File),
}

impl Namespace {
    /// The namespace that `child` was started in.
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        File::open(format!("/proc/{}/ns/pid_for_children", child.id())).map(Self::Of)
    }
}

/// Makes the command run in `namespace` and die with the process that starts it.
pub(super) fn contain(command: &mut Command, namespace: Namespace) {
    let enter = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let entered = match &namespace {
            Namespace::Own => nix::sched::unshare(CloneFlags::CLONE_NEWPID),
            Namespace::Of(file) => nix::sched::setns(file, CloneFlags::CLONE_NEWPID),
        };
        // Without the privilege, the process group and the death signal remain (see the header of `program`).
        if entered.is_ok() { fork_again() } else { Ok(()) }
    };
    // SAFETY: only system calls are made between fork and exec.
    unsafe {
        command.pre_exec(enter);
    }
}

/// Forks. The child returns and becomes the program. The parent waits for it and exits with its status, or with 128
/// plus the number of the signal that ended it.
fn fork_again() -> io::Result<()> {
    // SAFETY: both processes only make system calls until they exit or exec.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?),
        child => {
            close_all();
            let mut status = 0;
            // SAFETY: the kernel writes one int.
            while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            let code = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            };
            // SAFETY: `_exit` has no preconditions.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Closes all descriptors. Otherwise the pipes of the program would stay open as long as this process lives.
fn close_all() {
    let last = RawFd::MAX;
    // SAFETY: this process uses no descriptor any more.
    if unsafe { libc::syscall(libc::SYS_close_range, 0, last, 0) } == -1 {
        for descriptor in 0..1024 {
            // SAFETY: as above.
            unsafe { libc::close(descriptor) };
        }
    }
}
