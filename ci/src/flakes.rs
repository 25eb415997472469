//! Runs scenarios repeatedly, the last times under load, and prints every result that differs from the first run.
//!
//! If an implementation's profile lists a scenario under `varies`, only the verdicts are compared.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reusespec::implementations::{self, ProfiledImplementation};
use reusespec_core::Verdict;
use reusespec_core::results::CaseLine;

use crate::suite;

/// Processes that keep all processors busy. They are killed when this is dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        let burn = || {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
        };
        (0..count).map(|_| burn()).collect::<io::Result<_>>().map(Self)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs the scenarios `runs` times, the last `loaded` times under load. Returns whether all runs had equal results.
pub(crate) fn hunt(
    filters: &[String],
    implementation: Option<&str>,
    runs: usize,
    loaded: usize,
) -> io::Result<bool> {
    let mut arguments: Vec<_> = filters.iter().map(String::as_str).collect();
    arguments.extend(implementation.iter().flat_map(|name| ["--implementation", name]));
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let profiles = implementations::load(&scenarios).map_err(io::Error::other)?;
    let mut first: Option<BTreeMap<String, CaseResult>> = None;
    let mut flips = 0;
    let mut load = None;
    for run in 0..runs {
        if run + loaded >= runs && load.is_none() {
            load = Some(Load::start()?);
        }
        let results = results(&suite::run(&arguments)?, &profiles);
        let expected = first.get_or_insert_with(|| results.clone());
        for (case, result) in &results {
            let before = expected.get(case);
            if before != Some(result) {
                flips += 1;
                writeln!(io::stdout(), "run {}: {case}: {result:?} was {before:?}", run + 1)?;
            }
        }
    }
    let cases = first.map_or(0, |results| results.len());
    writeln!(
        io::stdout(),
        "{cases} cases, {runs} runs, {loaded} of them under load: {flips} flips"
    )?;
    Ok(flips == 0 && cases > 0)
}

/// What must be equal in every run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CaseResult {
    verdict: Verdict,
    /// The labels and cells as a snapshot has them, without measured times.
    observed: Vec<(String, String)>,
    reason: Option<String>,
}

/// The results by the names of case and implementation.
fn results(cases: &[CaseLine], profiles: &[ProfiledImplementation]) -> BTreeMap<String, CaseResult> {
    let result = |case: &CaseLine| {
        let profile = implementations::named(profiles, &case.implementation);
        let varies = profile.is_some_and(|profile| profile.varies_in(&case.scenario));
        let observed = case.observed.iter().filter(|_| !varies);
        let result = CaseResult {
            verdict: case.verdict,
            observed: observed
                .map(|(label, cell)| (label.clone(), cell.to_string()))
                .collect(),
            reason: case.reason.clone(),
        };
        (format!("{} {}", case.key(), case.implementation), result)
    };
    cases.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn another_measured_time_is_no_flip_and_another_verdict_is_one() {
        let results = |verdict: &str, at_ms: &str| {
            let line = format!(
                r#"{{"scenario":"s","case":{{}},"platform":"p","implementation":"kernel","verdict":"{verdict}","observed":{{"then":"ok","end":{{"is":"alive","outcome":"alive","at_ms":{at_ms},"probes_ms":[],"forms":[],"late_ms":0,"late_at_most_ms":0}}}}}}"#
            );
            super::results(&[serde_json::from_str(&line).unwrap()], &[])
        };
        assert_eq!(results("pass", "1.0"), results("pass", "2.0"));
        assert_ne!(results("pass", "1.0"), results("fail", "1.0"));
    }
}
