//! A namespace of processes for a program: when its first process dies the kernel kills the others.
//!
//! `unshare(CLONE_NEWPID)` is for the *next* child, so a process stands between the case and the program and
//! waits. It cannot be the case's own process: after that call no thread could be started there, and the
//! reference runs in one.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;

/// Which namespace a program runs in.
pub(super) enum Namespace {
    /// A new one.
    Own,
    /// That of a program that was started in its own.
    Of(File),
}

impl Namespace {
    /// The namespace a program was started in.
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        File::open(format!("/proc/{}/ns/pid_for_children", child.id())).map(Self::Of)
    }
}

/// Lets the command run in the namespace and die with whoever starts it.
pub(super) fn contain(command: &mut Command, namespace: Namespace) {
    let enter = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let entered = match &namespace {
            Namespace::Own => nix::sched::unshare(CloneFlags::CLONE_NEWPID),
            Namespace::Of(file) => nix::sched::setns(file, CloneFlags::CLONE_NEWPID),
        };
        // Without the privilege for it, the process group and the death signal have to do.
        if entered.is_ok() { fork_again() } else { Ok(()) }
    };
    // SAFETY: only system calls are made between fork and exec.
    unsafe {
        command.pre_exec(enter);
    }
}

/// The child goes on to be the program; the parent stays until it has ended, and ends like it.
fn fork_again() -> io::Result<()> {
    // SAFETY: both sides make system calls only until they end or exec.
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
            // SAFETY: `_exit` only ends the process.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Closes everything: whoever waits for the end of a pipe must not wait for this process, too.
fn close_all() {
    let last = RawFd::MAX;
    // SAFETY: no descriptor is used in this process any more.
    if unsafe { libc::syscall(libc::SYS_close_range, 0, last, 0) } == -1 {
        for descriptor in 0..1024 {
            // SAFETY: as above.
            unsafe { libc::close(descriptor) };
        }
    }
}
