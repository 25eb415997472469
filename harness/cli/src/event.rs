//! What happens in a run, as reporters hear of it. They see nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reusespec_core::protocol::Hello;
use reusespec_core::table::Comparison;
use reusespec_core::{CaseKey, Deviation, Judgement, Scenario, Verdict};

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'l> {
    /// The plan is made.
    RunStarted {
        /// How many cases will be judged.
        cases: usize,
        /// How many scenarios they belong to.
        scenarios: usize,
    },
    /// An agent has said hello.
    PlatformReady {
        /// The platform's name.
        platform: &'l str,
        /// What the agent said.
        hello: &'l Hello,
    },
    /// Something a reader should know that is no verdict.
    Note(String),
    /// A case has been answered.
    CaseFinished {
        /// Which.
        key: &'l CaseKey,
    },
    /// All chosen cases of a scenario have been judged.
    ScenarioFinished(ScenarioResult<'l>),
    /// The last event.
    RunFinished(&'l Summary),
}

/// A scenario's chosen cases on one platform and implementation.
#[derive(Debug)]
pub struct ScenarioResult<'l> {
    /// The scenario.
    pub scenario: &'l Scenario,
    /// The platform's name.
    pub platform: &'l str,
    /// What snapshots call its kernel: `linux-6.18`, `linux-6.1-s390x`.
    pub kernel: String,
    /// What their heads call that which ran: the kernel, and the release of an implementation that has one.
    pub reviewed: String,
    /// The implementation's name.
    pub implementation: &'l str,
    /// Verdict and time of each case, in the file's order.
    pub cases: Vec<(Judgement, Duration)>,
    /// How the table relates to the reviewed one.
    pub comparison: Comparison,
    /// The file of the reviewed one, if there is one.
    pub snapshot: Option<PathBuf>,
    /// Deviations that no longer occur.
    pub stale: Vec<Deviation>,
    /// Arguments that run the scenario again.
    pub again: String,
}

impl ScenarioResult<'_> {
    /// Whether the row of a case is not as the snapshot has it, on a kernel the snapshot names.
    pub fn changed(&self, key: &CaseKey) -> bool {
        match &self.comparison {
            Comparison::Changed(rows) => rows.iter().any(|row| row.point == key.point()),
            Comparison::Same | Comparison::New(_) => false,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases by verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// Scenarios whose snapshot changed.
    pub changed: usize,
    /// Rows nobody has reviewed for this kernel yet.
    pub new_rows: usize,
    /// Deviations to remove.
    pub stale: usize,
    /// Wall time of the whole run.
    pub elapsed: Duration,
}

impl Summary {
    /// How many cases were judged.
    pub fn cases(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// How many cases have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// The exit status: failures before brokenness.
    pub fn exit_status(&self) -> i32 {
        if self.count(Verdict::Fail) + self.changed + self.stale > 0 {
            crate::exit::FAILED
        } else if self.count(Verdict::Broken) > 0 {
            crate::exit::BROKEN
        } else {
            crate::exit::AS_EXPECTED
        }
    }

    /// Counts a finished scenario.
    pub fn add(&mut self, result: &ScenarioResult<'_>) {
        for (judgement, _) in &result.cases {
            *self.verdicts.entry(judgement.verdict).or_default() += 1;
        }
        self.stale += result.stale.len();
        match &result.comparison {
            Comparison::Same => {}
            Comparison::Changed(_) => self.changed += 1,
            Comparison::New(rows) => self.new_rows += rows.len(),
        }
    }
}
