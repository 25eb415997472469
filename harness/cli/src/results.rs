//! The lines of `run --format json`, read back: what somebody saw elsewhere, case by case.
//!
//! Only what a snapshot holds is read: the case, the kernel, the cells. Claims are judged where a run is made, and a
//! line without a kernel is of an agent that never said hello.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reusespec_core::observation::{Observation, Observed};
use reusespec_core::{CaseKey, Judgement, Verdict};
use serde_json::{Map, Value};

/// Why a file is not the lines of a run.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A line is not JSON.
    #[error("{path}:{line}: not a line of `run --format json`")]
    NotJson {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line is JSON of another kind.
    #[error("{path}:{line}: has no {what}: not a line of `run --format json`")]
    Lacks {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The missing key.
        what: &'static str,
    },
}

/// What ran, as snapshots name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ran {
    /// The kernel, in the names of their files: `freebsd-14.3`.
    pub kernel: String,
    /// The kernel and what ran on it, in their heads: `linux-6.18 with hyper 1.12.0`.
    pub reviewed: String,
    /// What answered.
    pub implementation: String,
}

/// One case of a run made elsewhere.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it was observed of.
    pub ran: Ran,
    /// The case and its cells.
    pub judgement: Judgement,
}

/// The cases of a file, in its order. Cases without a kernel are left out and counted in the second value.
///
/// # Errors
/// When the file is not the lines of a run.
pub fn read(path: &Path) -> Result<(Vec<Seen>, usize), ResultsError> {
    let text = fs::read_to_string(path).map_err(|source| ResultsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let (mut cases, mut without_kernel) = (Vec::new(), 0);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let line_number = index + 1;
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|source| ResultsError::NotJson {
                path: path.to_owned(),
                line: line_number,
                source,
            })?;
        if object.contains_key("summary") {
            continue;
        }
        match case(&object) {
            Ok(Some(seen)) => cases.push(seen),
            Ok(None) => without_kernel += 1,
            Err(what) => {
                return Err(ResultsError::Lacks {
                    path: path.to_owned(),
                    line: line_number,
                    what,
                });
            }
        }
    }
    Ok((cases, without_kernel))
}

fn case(object: &Map<String, Value>) -> Result<Option<Seen>, &'static str> {
    let word = |name: &'static str| object.get(name).and_then(Value::as_str).ok_or(name);
    let map = |name: &'static str| object.get(name).and_then(Value::as_object).ok_or(name);
    let values = map("case")?
        .iter()
        .map(|(axis, value)| Some((axis.clone(), value.as_str()?.to_owned())));
    let name = word("verdict")?;
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == name);
    let observed = map("observed")?.iter().map(|(label, value)| {
        Some(Observation {
            label: label.clone(),
            seen: cell(value)?,
        })
    });
    let judgement = Judgement {
        key: CaseKey {
            scenario: word("scenario")?.to_owned(),
            values: values.collect::<Option<_>>().ok_or("case")?,
        },
        verdict: verdict.ok_or("verdict")?,
        claims: Vec::new(),
        observed: observed.collect::<Option<_>>().ok_or("observed")?,
        reason: None,
    };
    let implementation = word("implementation")?.to_owned();
    let Ok(kernel) = word("kernel") else {
        return Ok(None);
    };
    let ran = Ran {
        kernel: kernel.to_owned(),
        // Lines of a version that did not say it are of the kernel alone.
        reviewed: word("reviewed_as").unwrap_or(kernel).to_owned(),
        implementation,
    };
    Ok(Some(Seen { ran, judgement }))
}

/// What the cell of a snapshot says; times are words by then.
fn cell(value: &Value) -> Option<Observed> {
    Some(match value {
        Value::Number(number) => Observed::Number(number.as_i64()?),
        Value::Array(lines) => {
            let lines = lines.iter().map(|line| line.as_str().map(str::to_owned));
            Observed::Transcript(lines.collect::<Option<_>>()?)
        }
        Value::Object(timed) => Observed::Word(timed.get("is")?.as_str()?.to_owned()),
        other => Observed::Word(other.as_str()?.to_owned()),
    })
}
