//! The process of a case: enters the sandbox, executes the steps, reports the outcome and exits.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use reusespec_core::protocol::Start;
use reusespec_core::{Case, Outcome};

use crate::case_run::CaseRun;
use crate::family;
use crate::report::Reporter;
use crate::sandbox::Isolation;
use crate::sandbox::lateness::LatenessLog;

/// Runs a case to its end in this process, which must be a fresh one. Never returns.
pub(crate) fn run_and_exit(
    case: &Case,
    isolation: Isolation,
    start: &Start,
    lateness_log: LatenessLog,
    to_loop: OwnedFd,
) -> ! {
    let mut reporter = Reporter::new(to_loop);
    name_process();
    // A panic must not unwind into the frames of the agent loop: they own the other cases.
    let execution = AssertUnwindSafe(|| {
        let run = CaseRun::enter(case, isolation, start, lateness_log, &mut reporter);
        run.map_or_else(
            |outcome| outcome,
            |mut run| family::execute(&case.steps, &mut run),
        )
    });
    let outcome = catch_unwind(execution).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Outcome::Broken(format!("the agent panicked: {words}"))
    });
    let status = i32::from(reporter.outcome(&outcome).is_err());
    // SAFETY: `_exit` only ends the process. Destructors of the parent's copies must not run here.
    unsafe { libc::_exit(status) }
}

/// Names the process, so that ps(1) tells a case from the loop.
#[cfg(target_os = "linux")]
fn name_process() {
    let _ = nix::sys::prctl::set_name(c"reusespec-case");
}

#[cfg(not(target_os = "linux"))]
fn name_process() {}
