//! The lines of `run --format json`: one object for each case, then one object with the summary.
//!
//! The JSON reporter writes these types; `accept`, `diff` and the tasks of `ci` read them. The committed JSON Schema
//! `harness/core/results.schema.json` is generated from them for programs in other languages. Unknown keys are ignored,
//! so that a later version can add some.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case::CaseKey;
use crate::judge::{ClaimResult, Judgement, Verdict};
use crate::observation::{Observation, Observed};
use crate::scenario::Level;
use crate::snapshot::{KernelName, Provenance};
use crate::timing::Timed;

/// One line. The two kinds are told apart by the key `summary`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// The last line.
    Summary(SummaryLine),
    /// Every other line.
    Case(Box<CaseLine>),
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseLine {
    /// The scenario's id: `port-reuse/wildcard-then-specific`.
    pub scenario: String,
    /// The axis values, in the order of the scenario's file.
    pub case: IndexMap<String, String>,
    /// The name of the platform.
    pub platform: String,
    /// The kernel as snapshots name it: `linux-6.18`. Absent if the agent did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelName>,
    /// The name of the implementation.
    pub implementation: String,
    /// The implementation's version as it prints it itself. Absent for `kernel` and `reference`, and if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the case's row differs from a snapshot that was reviewed for this kernel and release.
    #[serde(default)]
    pub changed: bool,
    /// Whether the profile of the platform or implementation says that the scenario's rows differ from run to run. Then no
    /// snapshot holds them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varies: bool,
    /// The claims that apply to the case, in the order of the scenario's file.
    #[serde(default)]
    pub claims: Vec<ClaimLine>,
    /// What was observed, by label.
    pub observed: IndexMap<String, Cell>,
    /// Wall time of the case in milliseconds, preparation of its sandbox included.
    #[serde(default)]
    pub elapsed_ms: f64,
    /// Why the case is `unsupported` or `broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The result of one claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimLine {
    /// The claim's id.
    pub id: String,
    /// Its level.
    pub level: Level,
    /// Whether it holds.
    pub holds: bool,
    /// The least distance, in milliseconds, of a time from the bounds of its tolerance; negative outside them. Absent
    /// if the claim is not about time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_ms: Option<f64>,
}

/// One observation. Each kind is another type of JSON, so the value needs no tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Cell {
    /// `ok`, the name of an error, a class such as `spread`; `-` if the step was not reached.
    Word(String),
    /// A number that the system reported.
    Number(i64),
    /// The messages of an exchange.
    Transcript(Vec<String>),
    /// How a connection behaved over time.
    Timed(TimedCell),
}

/// How a connection behaved over time. Times are in milliseconds since the origin of the observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimedCell {
    /// The cell in the snapshot: `ETIMEDOUT at schedule-end, 2 probes on schedule`.
    pub is: String,
    /// `ETIMEDOUT`, `eof`, `alive`, …
    pub outcome: String,
    /// When the outcome was observed.
    pub at_ms: Option<f64>,
    /// When the kernel sent keepalive probes.
    pub probes_ms: Vec<f64>,
    /// The different forms of the probes.
    pub forms: Vec<String>,
    /// When the kernel sent an RST.
    pub reset_ms: Option<f64>,
    /// When the kernel sent SYN, data or FIN again; `null` if no step counts that.
    pub resent_ms: Option<Vec<f64>>,
    /// Lower bound of the machine's lateness.
    pub late_ms: f64,
    /// Upper bound of the machine's lateness.
    pub late_at_most_ms: f64,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryLine {
    /// The counts.
    pub summary: SummaryCounts,
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SummaryCounts {
    /// Cases.
    pub cases: usize,
    /// Cases with this verdict.
    pub pass: usize,
    /// Cases with this verdict.
    pub fail: usize,
    /// Cases with this verdict.
    pub deviates: usize,
    /// Cases with this verdict.
    pub unsupported: usize,
    /// Cases with this verdict.
    pub broken: usize,
    /// Scenarios whose snapshot changed.
    pub changed: usize,
    /// Rows that differ and were not reviewed for this kernel and release.
    pub new: usize,
    /// Known deviations that no longer occur.
    pub stale: usize,
    /// Repetitions of cases that could not be judged because the machine was late.
    pub repeated: usize,
    /// Wall time of the run in milliseconds.
    pub elapsed_ms: f64,
}

impl Line {
    /// Reads one line.
    ///
    /// # Errors
    /// When the line is not JSON, or lacks a key; the message names the key.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        // Not by the derived implementation, which would only say that neither kind fits.
        let value: serde_json::Value = serde_json::from_str(line)?;
        if value.get("summary").is_some() {
            return serde_json::from_value(value).map(Self::Summary);
        }
        serde_json::from_value(value).map(|case| Self::Case(Box::new(case)))
    }
}

impl CaseLine {
    /// What the case was observed on. `None` if the agent did not start.
    pub fn provenance(&self) -> Option<Provenance> {
        Some(Provenance {
            kernel: self.kernel.clone()?,
            implementation: self.implementation.clone(),
            release: self.release.clone(),
        })
    }

    /// The name of the case.
    pub fn key(&self) -> CaseKey {
        CaseKey {
            scenario: self.scenario.clone(),
            values: self.case.clone().into_iter().collect(),
        }
    }

    /// The judgement as far as a table needs it: times are words, and claims are left out.
    pub fn judgement(&self) -> Judgement {
        let observation = |(label, cell): (&String, &Cell)| Observation {
            label: label.clone(),
            seen: cell.observed(),
        };
        Judgement {
            key: self.key(),
            verdict: self.verdict,
            claims: Vec::new(),
            observed: self.observed.iter().map(observation).collect(),
            reason: self.reason.clone(),
            was_late: false,
        }
    }
}

impl From<&ClaimResult> for ClaimLine {
    fn from(claim: &ClaimResult) -> Self {
        Self {
            id: claim.id.clone(),
            level: claim.level,
            holds: claim.holds(),
            margin_ms: claim.margin_us.map(milliseconds),
        }
    }
}

impl From<&Observed> for Cell {
    fn from(observed: &Observed) -> Self {
        match observed {
            Observed::Word(word) => Self::Word(word.clone()),
            Observed::Number(number) => Self::Number(*number),
            Observed::Transcript(lines) => Self::Transcript(lines.clone()),
            Observed::Timed(timed) => Self::Timed(timed.into()),
            Observed::NotReached => Self::Word(observed.to_string()),
        }
    }
}

impl std::fmt::Display for Cell {
    /// The cell as a snapshot has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.observed().fmt(f)
    }
}

impl Cell {
    fn observed(&self) -> Observed {
        match self {
            Self::Word(word) => Observed::Word(word.clone()),
            Self::Number(number) => Observed::Number(*number),
            Self::Transcript(lines) => Observed::Transcript(lines.clone()),
            Self::Timed(timed) => Observed::Word(timed.is.clone()),
        }
    }
}

impl From<&Timed> for TimedCell {
    fn from(timed: &Timed) -> Self {
        let all = |times: &Vec<i64>| times.iter().copied().map(milliseconds).collect();
        Self {
            is: timed.cell.clone(),
            outcome: timed.outcome.clone(),
            at_ms: timed.at_us.map(milliseconds),
            probes_ms: all(&timed.probes_us),
            forms: timed.forms.clone(),
            reset_ms: timed.reset_us.map(milliseconds),
            resent_ms: timed.resent_us.as_ref().map(all),
            late_ms: timed.late.least_us as f64 / 1e3,
            late_at_most_ms: timed.late.most_us as f64 / 1e3,
        }
    }
}

fn milliseconds(us: i64) -> f64 {
    us as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"{"scenario":"keepalive/t","case":{"z":"1","a":"2"},"platform":"host","kernel":"linux-6.18","implementation":"go","release":"go 1","verdict":"fail","changed":true,"claims":[{"id":"c","level":"must","holds":false,"margin_ms":-1.5}],"observed":{"word":"ok","number":3,"lines":["> a","< b"],"end":{"is":"eof at idle","outcome":"eof","at_ms":1000.0,"probes_ms":[1.5],"forms":["f"],"reset_ms":null,"resent_ms":null,"late_ms":0.0,"late_at_most_ms":0.25}},"elapsed_ms":2.5}"#;

    #[test]
    fn a_line_of_a_case_reads_back_as_it_was_written() {
        let line = Line::parse(CASE).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), CASE);
        let Line::Case(case) = line else {
            panic!("it has no summary")
        };
        assert_eq!(case.key().point(), "z=1,a=2");
        let cells: Vec<_> = case.judgement().observed;
        let cells: Vec<_> = cells.iter().map(|each| each.seen.to_string()).collect();
        assert_eq!(cells, ["ok", "3", "> a\n< b", "eof at idle"]);
    }

    #[test]
    fn an_error_names_the_missing_key() {
        let error = Line::parse(&CASE.replace("\"verdict\"", "\"result\"")).unwrap_err();
        assert_eq!(error.to_string(), "missing field `verdict`");
    }

    #[test]
    fn counts_that_a_summary_lacks_are_zero() {
        let Line::Summary(line) = Line::parse(r#"{"summary":{"cases":2}}"#).unwrap() else {
            panic!("it has a summary")
        };
        let expected = SummaryCounts {
            cases: 2,
            ..SummaryCounts::default()
        };
        assert_eq!(line.summary, expected);
    }
}
