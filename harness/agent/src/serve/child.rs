//! Starts the process of a case, reads what it reports, and reaps it.
//!
//! Dropping a [`Child`] kills its process. Where the system can do so, the kernel also kills it when the agent dies: a
//! case that outlived its agent would keep its ports and namespaces.

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

/// A case process that has not been reaped.
pub(super) struct Child {
    key: CaseKey,
    process: Pid,
    reaped: bool,
    stream: OwnedFd,
    lines: Lines,
    started: Instant,
    capture: Option<String>,
    budget: Duration,
    /// The agent loop kills the process at this time.
    pub(super) deadline: Instant,
    /// False while the case waits for a timer. A waiting case holds no slot.
    pub(super) busy: bool,
    /// The wire that the case may use.
    #[cfg(target_os = "dragonfly")]
    loan: Option<crate::peer::Loan>,
}

impl Child {
    /// Forks a process that executes `case`.
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
        #[cfg(target_os = "dragonfly")]
        let loan = match &case.steps {
            reusespec_core::Steps::Keepalive(_) => Some(crate::peer::Loan::to_next_process()?),
            reusespec_core::Steps::PortReuse(_)
            | reusespec_core::Steps::Fastcgi(_)
            | reusespec_core::Steps::Http(_) => None,
        };
        let parent = nix::unistd::getpid();
        let started = Instant::now();
        // SAFETY: this process has one thread, so the child may run code that is not async-signal-safe.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(ours);
                die_with_parent(parent);
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
                    #[cfg(target_os = "dragonfly")]
                    loan,
                })
            }
        }
    }

    /// Handles the notes that the case has sent, without blocking. Returns the outcome once it is known.
    pub(super) fn receive(&mut self) -> Option<Outcome> {
        while is_readable(self.stream.as_fd()) {
            let ended = !matches!(self.lines.fill(self.stream.as_fd()), Ok(1..));
            while let Some(line) = self.lines.next() {
                match Note::read(&line) {
                    Some(Note::Waiting) => self.busy = false,
                    Some(Note::Busy) => self.busy = true,
                    Some(Note::Capture(hexadecimal)) => self.capture = Some(hexadecimal),
                    Some(Note::MapUsers) => self.map_users(),
                    Some(Note::Outcome(outcome)) => {
                        #[cfg(target_os = "dragonfly")]
                        self.loan.as_mut().map(crate::peer::Loan::reported);
                        return Some(outcome);
                    }
                    None => {
                        return Some(Outcome::Broken(format!(
                            "the case's process sent an unknown line: `{line:.80}`"
                        )));
                    }
                }
            }
            if ended {
                return Some(Outcome::Broken(self.exit_reason()));
            }
        }
        None
    }

    /// The outcome of a case that reached its deadline.
    pub(super) fn timed_out(&self) -> Outcome {
        Outcome::Broken(format!(
            "the case did not end within its {} ms",
            self.budget.as_millis()
        ))
    }

    /// The message to the host. Kills the process if it still runs.
    pub(super) fn finish(mut self, outcome: Outcome) -> Finished {
        let elapsed = self.started.elapsed();
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Finished {
            key: self.key.clone(),
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
        // A failed write means that the process has ended. The next read from its stream reports that.
        let _ = nix::unistd::write(&self.stream, answer_mapped(result).as_bytes());
    }

    fn exit_reason(&mut self) -> String {
        let status = waitpid(self.process, None);
        self.reaped = true;
        match status {
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("the case's process was killed by {signal}"),
            Ok(WaitStatus::Exited(_, status)) => {
                format!("the case's process ended with status {status} and no outcome")
            }
            Ok(status) => format!("the case's process is {status:?}"),
            Err(error) => format!("cannot wait for the case's process: {error}"),
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

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..)) && fds[0].any().unwrap_or(false)
}

/// Asks the kernel to kill this process when the agent dies: prctl(2), or procctl(2). Not every supported version of
/// DragonFly has such a call; there the cases end by their own timeouts.
fn die_with_parent(parent: Pid) {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    #[cfg(target_os = "freebsd")]
    {
        const PROC_PDEATHSIG_CTL: libc::c_int = 11;
        let mut signal = libc::SIGKILL;
        // SAFETY: the kernel reads one int; the target is this process.
        unsafe { libc::procctl(libc::P_PID, 0, PROC_PDEATHSIG_CTL, (&raw mut signal).cast()) };
    }
    // The parent may have died before that call.
    if nix::unistd::getppid() != parent {
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(1) }
    }
}
