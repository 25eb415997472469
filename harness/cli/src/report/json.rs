//! The JSON reporter: one object on each line, one for each case as it finishes, and the summary last.
//!
//! The lines are not in the file's order, so that a stalled case does not hide the results after it. Whoever needs an order
//! sorts.

use std::io::{self, Write};
use std::time::Duration;

use indexmap::IndexMap;
use reusespec_core::results::{CaseLine, Cell, ClaimLine, Line, SummaryCounts, SummaryLine};
use reusespec_core::{CaseKey, Verdict};

use super::Reporter;
use crate::event::{CaseResult, Event, Summary};

/// Writes JSON lines.
pub struct JsonReporter<W> {
    out: W,
}

impl<W: Write> JsonReporter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        writeln!(self.out)
    }
}

/// The axis values of a case, in the file's order.
pub fn point(key: &CaseKey) -> IndexMap<String, String> {
    key.values.iter().cloned().collect()
}

fn case(result: &CaseResult<'_>) -> Line {
    let CaseResult {
        provenance,
        judgement,
        ..
    } = result;
    let observed = judgement.observed.iter();
    Line::Case(Box::new(CaseLine {
        scenario: judgement.key.scenario.clone(),
        case: point(&judgement.key),
        platform: result.platform.to_owned(),
        kernel: provenance.map(|provenance| provenance.kernel.clone()),
        implementation: result.implementation.to_owned(),
        release: provenance.and_then(|provenance| provenance.release.clone()),
        verdict: judgement.verdict,
        changed: result.changed,
        varies: result.varies,
        claims: judgement.claims.iter().map(ClaimLine::from).collect(),
        observed: observed
            .map(|each| (each.label.clone(), Cell::from(&each.seen)))
            .collect(),
        elapsed_ms: milliseconds(result.elapsed),
        reason: judgement.reason.clone(),
    }))
}

fn summary(summary: &Summary) -> Line {
    Line::Summary(SummaryLine {
        summary: SummaryCounts {
            cases: summary.cases(),
            pass: summary.count(Verdict::Pass),
            fail: summary.count(Verdict::Fail),
            deviates: summary.count(Verdict::Deviates),
            unsupported: summary.count(Verdict::Unsupported),
            broken: summary.count(Verdict::Broken),
            changed: summary.changed,
            new: summary.new_rows,
            stale: summary.stale,
            repeated: summary.repeated,
            elapsed_ms: milliseconds(summary.elapsed),
        },
    })
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl<W: Write> Reporter for JsonReporter<W> {
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::CaseFinished(result) => {
                self.write(&case(result))?;
                self.out.flush()
            }
            Event::RunFinished(totals) => {
                self.write(&summary(totals))?;
                self.out.flush()
            }
            Event::Note(note) => writeln!(io::stderr(), "note: {note}"),
            Event::RunStarted { .. } | Event::PlatformReady { .. } | Event::ScenarioFinished(_) => Ok(()),
        }
    }
}
