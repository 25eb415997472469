//! One JSON object a line: a case each, the summary last.

use std::io::{self, Write};

use reusespec_core::observation::Observed;
use reusespec_core::{CaseKey, Judgement, Verdict};
use serde_json::{Map, Value, json};

use super::Reporter;
use crate::event::{Event, ScenarioResult, Summary};

/// Writes JSON lines.
pub struct JsonReporter<W> {
    out: W,
}

impl<W: Write> JsonReporter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

/// The axis values of a case, in the file's order.
pub fn point(key: &CaseKey) -> Value {
    Value::Object(
        key.values
            .iter()
            .map(|(axis, value)| (axis.clone(), json!(value)))
            .collect(),
    )
}

fn observed(judgement: &Judgement) -> Value {
    let value = |seen: &Observed| match seen {
        Observed::Number(number) => json!(number),
        Observed::Transcript(lines) => json!(lines),
        Observed::Timed(timed) => json!({
            "is": timed.cell,
            "outcome": timed.outcome,
            "at_ms": timed.at_us.map(thousandth),
            "probes_ms": timed.probes_us.iter().copied().map(thousandth).collect::<Vec<_>>(),
            "forms": timed.forms,
            "reset_ms": timed.reset_us.map(thousandth),
            "resent_ms": timed.resent_us.as_ref().map(|times| times.iter().copied().map(thousandth).collect::<Vec<_>>()),
            "late_ms": timed.late.least_us as f64 / 1e3,
            "late_at_most_ms": timed.late.most_us as f64 / 1e3,
        }),
        other => json!(other.to_string()),
    };
    Value::Object(
        judgement
            .observed
            .iter()
            .map(|each| (each.label.clone(), value(&each.seen)))
            .collect(),
    )
}

fn case(result: &ScenarioResult<'_>, judgement: &Judgement, elapsed_ms: f64) -> Value {
    let claims: Vec<_> = judgement
        .claims
        .iter()
        .map(|claim| {
            let mut entry = json!({ "id": claim.id, "level": claim.level.name(), "holds": claim.holds() });
            if let (Some(margin), Some(entry)) = (claim.margin_us, entry.as_object_mut()) {
                entry.insert("margin_ms".to_owned(), json!(thousandth(margin)));
            }
            entry
        })
        .collect();
    let mut object = json!({
        "scenario": result.scenario.id,
        "case": point(&judgement.key),
        "platform": result.platform,
        "kernel": result.kernel,
        "reviewed_as": result.reviewed,
        "implementation": result.implementation,
        "verdict": judgement.verdict.name(),
        "changed": result.changed(&judgement.key),
        "claims": claims,
        "observed": observed(judgement),
        "elapsed_ms": elapsed_ms,
    });
    if let (Some(reason), Some(object)) = (&judgement.reason, object.as_object_mut()) {
        object.insert("because".to_owned(), json!(reason));
    }
    object
}

fn thousandth(us: i64) -> f64 {
    us as f64 / 1e3
}

fn summary(summary: &Summary) -> Value {
    let mut counts: Map<String, Value> = Map::new();
    counts.insert("cases".to_owned(), json!(summary.cases()));
    for verdict in Verdict::ALL {
        counts.insert(verdict.name().to_owned(), json!(summary.count(verdict)));
    }
    counts.insert("changed".to_owned(), json!(summary.changed));
    counts.insert("new".to_owned(), json!(summary.new_rows));
    counts.insert("stale".to_owned(), json!(summary.stale));
    counts.insert("elapsed_ms".to_owned(), json!(milliseconds(summary.elapsed)));
    json!({ "summary": counts })
}

fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl<W: Write> Reporter for JsonReporter<W> {
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::ScenarioFinished(result) => {
                for (judgement, elapsed) in &result.cases {
                    writeln!(self.out, "{}", case(result, judgement, milliseconds(*elapsed)))?;
                }
                Ok(())
            }
            Event::RunFinished(totals) => {
                writeln!(self.out, "{}", summary(totals))?;
                self.out.flush()
            }
            Event::Note(note) => writeln!(io::stderr(), "note: {note}"),
            Event::RunStarted { .. } | Event::PlatformReady { .. } | Event::CaseFinished { .. } => Ok(()),
        }
    }
}
