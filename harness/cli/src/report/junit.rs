//! JUnit XML reports: one suite per scenario, one test per case. `unsupported` becomes skipped, `broken` an error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use reusespec_core::{Judgement, Level, Verdict};

use super::Reporter;
use crate::event::{Event, ScenarioResult};

/// Collects the results and writes the report when the run has finished.
pub struct JunitReporter {
    file: PathBuf,
    report: Report,
}

impl JunitReporter {
    /// Writes to `file`.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            report: Report::new("reusespec"),
        }
    }

    fn add(&mut self, result: &ScenarioResult<'_>) {
        let mut suite = TestSuite::new(format!(
            "{} {} {}",
            result.scenario.id, result.platform, result.implementation
        ));
        for (judgement, elapsed) in &result.cases {
            let name = if judgement.key.values.is_empty() {
                "the case".to_owned()
            } else {
                judgement.key.point()
            };
            let mut case = TestCase::new(name, status(result, judgement));
            case.set_classname(&result.scenario.id).set_time(*elapsed);
            suite.add_test_case(case);
        }
        for deviation in &result.stale {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("the deviation no longer occurs: {}", deviation.reason));
            suite.add_test_case(TestCase::new(
                format!("stale deviation {}", deviation.claim),
                status,
            ));
        }
        self.report.add_test_suite(suite);
    }
}

fn status(result: &ScenarioResult<'_>, judgement: &Judgement) -> TestCaseStatus {
    let reason = judgement.reason.clone().unwrap_or_default();
    let problem = |kind, message: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    match judgement.verdict {
        Verdict::Broken => problem(NonSuccessKind::Error, reason),
        Verdict::Fail => problem(NonSuccessKind::Failure, unmet(judgement)),
        Verdict::Unsupported => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason);
            status
        }
        Verdict::Pass | Verdict::Deviates if result.changed(&judgement.key) => problem(
            NonSuccessKind::Failure,
            "the row differs from the snapshot".to_owned(),
        ),
        Verdict::Pass | Verdict::Deviates => TestCaseStatus::success(),
    }
}

fn unmet(judgement: &Judgement) -> String {
    let musts = judgement.claims.iter().filter(|claim| claim.level == Level::Must);
    let lines = musts.flat_map(|claim| {
        claim.unmet.iter().map(move |unmet| {
            format!(
                "{}: expected {} = {}, observed {}",
                claim.id, unmet.label, unmet.expected, unmet.seen
            )
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Reporter for JunitReporter {
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::ScenarioFinished(result) => self.add(result),
            Event::RunFinished(summary) => {
                self.report.set_time(summary.elapsed);
                let text = self.report.to_string().map_err(io::Error::other)?;
                fs::write(&self.file, text).map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", self.file.display()))
                })?;
            }
            Event::RunStarted { .. }
            | Event::PlatformReady { .. }
            | Event::Note(_)
            | Event::CaseFinished(_) => {}
        }
        Ok(())
    }
}
