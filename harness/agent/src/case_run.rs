//! What a case runs with once its process has entered its sandbox.

use std::time::{Duration, Instant};

use reusespec_core::protocol::{Implementation, Start};
use reusespec_core::{Case, Outcome};

use crate::report::Reporter;
use crate::sandbox::lateness::LatenessLog;
use crate::sandbox::{Isolation, Sandbox};

/// What a case runs with.
pub(crate) struct CaseRun<'r> {
    /// The host's settings for this run: the implementation, whether to capture the wire, whether time is virtual.
    pub(crate) start: &'r Start,
    /// The ports the case owns, the users it can act as, and what is isolated.
    pub(crate) sandbox: Sandbox,
    /// When the case must have ended.
    pub(crate) deadline: Instant,
    /// Where cases record, and read, how late timers fired on this machine.
    pub(crate) lateness_log: LatenessLog,
    /// The connection to the agent loop.
    pub(crate) reporter: &'r mut Reporter,
}

impl<'r> CaseRun<'r> {
    /// Enters the sandbox. This process then belongs to the case.
    ///
    /// # Errors
    /// The case's outcome, if the sandbox cannot be entered.
    pub(crate) fn enter(
        case: &Case,
        isolation: Isolation,
        start: &'r Start,
        lateness_log: LatenessLog,
        reporter: &'r mut Reporter,
    ) -> Result<Self, Outcome> {
        let isolation = match start.implementation {
            // A target runs in the agent's network. No other network reaches it.
            Implementation::Target(_) => isolation.none(),
            Implementation::Kernel | Implementation::Reference { .. } | Implementation::External(_) => {
                isolation
            }
        };
        let sandbox = isolation.enter(reporter, &case.requires)?;
        Ok(Self {
            start,
            sandbox,
            deadline: Instant::now() + Duration::from_millis(case.budget_ms),
            lateness_log,
            reporter,
        })
    }

    /// The time until the deadline: the timeout of a wait for something that may never happen.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
