//! Inside the process of a case: sandbox, execute, report, end.

mod report;

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use reusespec_core::protocol::Implementation;
use reusespec_core::{Case, Outcome, Steps};

pub(crate) use report::{Note, Reporter, answer_mapped};

use crate::family::{fastcgi, http, keepalive, socket};
use crate::sandbox::lateness::LatenessLog;
use crate::sandbox::{Isolation, Sandbox};

/// What a case may lean on while it executes.
pub(crate) struct CaseRun<'r> {
    /// Where it runs: ports it owns, what is isolated.
    pub(crate) sandbox: Sandbox,
    /// Which implementation answers its implementation steps.
    pub(crate) implementation: Implementation,
    /// When it must have ended.
    pub(crate) deadline: Instant,
    /// Whether what was on its wire is wanted.
    pub(crate) capture: bool,
    /// Where it says, and reads, how late this machine was.
    pub(crate) lateness_log: LatenessLog,
    /// Whether waiting costs nothing here, so that a case can begin at a moment of its choice.
    pub(crate) virtual_time: bool,
    /// How it tells the loop that it only waits.
    pub(crate) reporter: &'r mut Reporter,
}

/// What the loop gives each case to run with.
pub(crate) struct Terms {
    /// Which implementation answers its implementation steps.
    pub(crate) implementation: Implementation,
    /// How it is kept apart from the machine and from other cases.
    pub(crate) isolation: Isolation,
    /// Whether what was on its wire is wanted.
    pub(crate) capture: bool,
    /// Where it says, and reads, how late this machine was.
    pub(crate) lateness_log: LatenessLog,
    /// Whether waiting costs nothing here.
    pub(crate) virtual_time: bool,
}

impl CaseRun<'_> {
    /// Time left, for a wait on something that may never come.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Runs a case to its end in this process, which must be a fresh one. Never returns.
pub(crate) fn run_and_exit(case: &Case, terms: Terms, to_loop: OwnedFd) -> ! {
    let mut reporter = Reporter::new(to_loop);
    name_process();
    // A panic must not unwind into the loop's frames: they own the other cases.
    let execution = AssertUnwindSafe(|| execute(case, terms, &mut reporter));
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

/// So that ps(1) tells a case from the loop.
#[cfg(target_os = "linux")]
fn name_process() {
    let _ = nix::sys::prctl::set_name(c"reusespec-case");
}

#[cfg(not(target_os = "linux"))]
fn name_process() {}

fn execute(case: &Case, terms: Terms, reporter: &mut Reporter) -> Outcome {
    let Terms {
        implementation,
        isolation,
        capture,
        lateness_log,
        virtual_time,
    } = terms;
    let isolation = match implementation {
        // What runs already runs in this network.
        Implementation::Target(_) => isolation.none(),
        _ => isolation,
    };
    let sandbox = match isolation.enter(reporter, &case.requires) {
        Ok(sandbox) => sandbox,
        Err(outcome) => return outcome,
    };
    let deadline = Instant::now() + Duration::from_millis(case.budget_ms);
    let mut run = CaseRun {
        sandbox,
        implementation,
        deadline,
        capture,
        lateness_log,
        virtual_time,
        reporter,
    };
    match &case.steps {
        Steps::PortReuse(steps) => socket::execute(steps, &mut run),
        Steps::Http(steps) => http::execute(steps, &mut run),
        Steps::Fastcgi(steps) => fastcgi::execute(steps, &mut run),
        Steps::Keepalive(steps) => keepalive::execute(steps, &mut run),
    }
}
