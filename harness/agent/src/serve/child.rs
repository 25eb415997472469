//! A case's process as the loop sees it. Dropping it kills it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use reusespec_core::protocol::{Finished, LONGEST_LINE_BYTES, Start};
use reusespec_core::{Case, CaseKey, Outcome};

use super::GRACE;
use super::lines::Lines;
use crate::process;
use crate::report::{Note, answer_mapped};
use crate::sandbox::Isolation;
use crate::sandbox::lateness::LatenessLog;

pub(super) struct Child {
    key: CaseKey,
    process: Pid,
    reaped: bool,
    stream: OwnedFd,
    lines: Lines,
    started: Instant,
    capture: Option<String>,
    budget: Duration,
    /// When it is killed.
    pub(super) deadline: Instant,
    /// Whether it works, rather than waits.
    pub(super) busy: bool,
}

impl Child {
    pub(super) fn start(
        case: &Case,
        isolation: Isolation,
        start: &Start,
        lateness_log: LatenessLog,
    ) -> io::Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        let parent = nix::unistd::getpid();
        let started = Instant::now();
        // SAFETY: this process has one thread, so the child may run ordinary code.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(ours);
                die_with(parent);
                process::run_and_exit(case, isolation, start, lateness_log, theirs)
            }
            ForkResult::Parent { child } => {
                let budget = Duration::from_millis(case.budget_ms);
                Ok(Self {
                    key: case.key.clone(),
                    process: child,
                    reaped: false,
                    stream: ours,
                    lines: Lines::new(LONGEST_LINE_BYTES),
                    started,
                    capture: None,
                    budget,
                    deadline: started + budget + GRACE,
                    busy: true,
                })
            }
        }
    }

    /// Reads what the case has said, if anything. Returns its outcome once it is known.
    pub(super) fn listen(&mut self) -> Option<Outcome> {
        while readable(self.stream.as_fd()) {
            let ended = !matches!(self.lines.fill(self.stream.as_fd()), Ok(1..));
            while let Some(line) = self.lines.next() {
                match Note::read(&line) {
                    Some(Note::Waiting) => self.busy = false,
                    Some(Note::Busy) => self.busy = true,
                    Some(Note::Capture(hexadecimal)) => self.capture = Some(hexadecimal),
                    Some(Note::MapUsers) => self.map_users(),
                    Some(Note::Outcome(outcome)) => return Some(outcome),
                    None => return Some(Outcome::Broken(format!("the case said `{line:.80}`"))),
                }
            }
            if ended {
                return Some(Outcome::Broken(self.cause_of_death()));
            }
        }
        None
    }

    pub(super) fn too_late(&self) -> Outcome {
        Outcome::Broken(format!(
            "the case did not end within its {} ms",
            self.budget.as_millis()
        ))
    }

    pub(super) fn finish(mut self, outcome: Outcome) -> Finished {
        let elapsed = self.started.elapsed();
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let key = std::mem::replace(
            &mut self.key,
            CaseKey {
                scenario: String::new(),
                values: Vec::new(),
            },
        );
        Finished {
            key,
            outcome,
            elapsed_us,
            capture: self.capture.take(),
        }
    }

    fn map_users(&mut self) {
        #[cfg(target_os = "linux")]
        let result = crate::sandbox::map_users(self.process);
        #[cfg(not(target_os = "linux"))]
        let result = Err(io::Error::other("this system has no user namespaces"));
        // A case that cannot be answered is gone, and its end of the stream says so next.
        let _ = nix::unistd::write(&self.stream, answer_mapped(result).as_bytes());
    }

    fn cause_of_death(&mut self) -> String {
        let status = waitpid(self.process, None);
        self.reaped = true;
        match status {
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("the case's process was killed by {signal}"),
            Ok(WaitStatus::Exited(_, status)) => {
                format!("the case's process ended with status {status} and no outcome")
            }
            Ok(status) => format!("the case's process is {status:?}"),
            Err(error) => format!("the case's process is gone: {error}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill(self.process, Signal::SIGKILL);
            let _ = waitpid(self.process, None);
        }
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn readable(fd: BorrowedFd<'_>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..)) && fds[0].any().unwrap_or(false)
}

/// The process of a case must not outlive the loop, whatever ends the loop.
#[cfg(target_os = "linux")]
fn die_with(parent: Pid) {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    if nix::unistd::getppid() != parent {
        // SAFETY: `_exit` only ends the process; the parent died before the line above.
        unsafe { libc::_exit(1) }
    }
}

/// procctl(2), PROC_PDEATHSIG_CTL.
#[cfg(target_os = "freebsd")]
fn die_with(parent: Pid) {
    const PROC_PDEATHSIG_CTL: libc::c_int = 11;
    let mut signal = libc::SIGKILL;
    // SAFETY: the kernel reads one int; the process concerned is this one.
    unsafe { libc::procctl(libc::P_PID, 0, PROC_PDEATHSIG_CTL, (&raw mut signal).cast()) };
    if nix::unistd::getppid() != parent {
        // SAFETY: as on Linux.
        unsafe { libc::_exit(1) }
    }
}

/// DragonFly has no such call in every version that is meant; its cases end by their own limits.
#[cfg(target_os = "dragonfly")]
fn die_with(_: Pid) {}
