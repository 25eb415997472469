//! The events of a run. Reporters receive these and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reusespec_core::protocol::Hello;
use reusespec_core::table::Comparison;
use reusespec_core::{CaseKey, Deviation, Judgement, Provenance, Scenario, Verdict};

/// One event.
#[derive(Debug)]
pub enum Event<'l> {
    /// The first event.
    RunStarted {
        /// The number of cases to judge.
        cases: usize,
        /// The number of scenarios they belong to.
        scenarios: usize,
    },
    /// An agent has started and sent its hello.
    PlatformReady {
        /// The platform's name.
        platform: &'l str,
        /// The agent's hello.
        hello: &'l Hello,
    },
    /// A message that belongs to no case.
    Note(String),
    /// A case has been judged.
    CaseFinished(&'l CaseResult<'l>),
    /// All chosen cases of a scenario have been judged.
    ScenarioFinished(Box<ScenarioResult<'l>>),
    /// The last event.
    RunFinished(&'l Summary),
}

/// The result of a case, on one platform and for one implementation.
#[derive(Debug)]
pub struct CaseResult<'l> {
    /// The platform's name.
    pub platform: &'l str,
    /// The implementation's name.
    pub implementation: &'l str,
    /// The kernel, the implementation and its release. `None` if no agent started.
    pub provenance: Option<&'l Provenance>,
    /// The judgement.
    pub judgement: &'l Judgement,
    /// Wall time.
    pub elapsed: Duration,
    /// Whether the row differs from a snapshot that was reviewed for what ran.
    pub changed: bool,
    /// Whether a profile says that the scenario's rows differ from run to run.
    pub varies: bool,
}

/// The results of a scenario's chosen cases, on one platform and for one implementation.
#[derive(Debug)]
pub struct ScenarioResult<'l> {
    /// The scenario.
    pub scenario: &'l Scenario,
    /// The platform's name.
    pub platform: &'l str,
    /// The implementation's name.
    pub implementation: &'l str,
    /// The kernel, the implementation and its release. `None` if no agent started.
    pub provenance: Option<Provenance>,
    /// The judgement and the wall time of each case, in the file's order.
    pub cases: Vec<(Judgement, Duration)>,
    /// The comparison of the table with the snapshot.
    pub comparison: Comparison,
    /// The file of that snapshot, if there is one.
    pub snapshot: Option<PathBuf>,
    /// Known deviations that no longer occur.
    pub stale: Vec<Deviation>,
    /// The command that runs the scenario again.
    pub again: String,
}

impl ScenarioResult<'_> {
    /// Whether the row of a case differs from a snapshot that was reviewed for what ran.
    pub fn changed(&self, key: &CaseKey) -> bool {
        match &self.comparison {
            Comparison::Changed(rows) => rows.iter().any(|row| row.point == key.point()),
            Comparison::Same | Comparison::New(_) => false,
        }
    }
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases by verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// Scenarios whose snapshot changed.
    pub changed: usize,
    /// Rows that differ and were not reviewed for what ran.
    pub new_rows: usize,
    /// Known deviations that no longer occur.
    pub stale: usize,
    /// Repetitions of cases that could not be judged because the machine was late.
    pub repeated: usize,
    /// Wall time of the whole run.
    pub elapsed: Duration,
}

impl Summary {
    /// The number of cases that were judged.
    pub fn cases(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// The number of cases with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// The exit status. A failure counts more than a broken case.
    pub fn exit_status(&self) -> i32 {
        if self.count(Verdict::Fail) + self.changed + self.stale > 0 {
            crate::exit::FAILED
        } else if self.count(Verdict::Broken) > 0 {
            crate::exit::BROKEN
        } else {
            crate::exit::AS_EXPECTED
        }
    }

    /// Adds the results of a scenario.
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
