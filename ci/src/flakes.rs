//! Runs scenarios again and again, some of it beside busy processes, and shows every answer that flips.
//!
//! Of a scenario that an implementation's profile says `[[varies]]` of, only the verdict is an answer.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reusespec::implementations::{self, Implementation};
use serde_json::{Value, json};

use crate::suite;

/// Processes that only burn time, killed when dropped.
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

/// Runs `filters` `runs` times, the last `loaded` of them under load. Returns whether nothing flipped.
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
    let mut first: Option<BTreeMap<String, Value>> = None;
    let mut flips = 0;
    let mut load = None;
    for run in 0..runs {
        if run + loaded >= runs && load.is_none() {
            load = Some(Load::start()?);
        }
        let answers = answers(&suite::run(&arguments)?, &profiles);
        let known = first.get_or_insert_with(|| answers.clone());
        for (case, answer) in &answers {
            if known.get(case) != Some(answer) {
                flips += 1;
                writeln!(
                    io::stdout(),
                    "run {}: {case}: {} was {}",
                    run + 1,
                    answer,
                    known.get(case).unwrap_or(&Value::Null)
                )?;
            }
        }
    }
    let cases = first.map_or(0, |answers| answers.len());
    writeln!(
        io::stdout(),
        "{cases} cases, {runs} runs, {loaded} of them under load: {flips} flips"
    )?;
    Ok(flips == 0 && cases > 0)
}

/// Verdict and observations by case.
fn answers(lines: &[Value], profiles: &[Implementation]) -> BTreeMap<String, Value> {
    let cases = lines.iter().filter(|line| line.get("verdict").is_some());
    cases
        .map(|line| {
            let (scenario, implementation) = (&line["scenario"], &line["implementation"]);
            let key = format!("{scenario} {} {implementation}", line["case"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let observed = match implementations::vary(profiles, &text(implementation), &text(scenario)) {
                true => Value::Null,
                false => normal(&line["observed"]),
            };
            (key, json!([line["verdict"], observed, line["because"]]))
        })
        .collect()
}

/// What was seen in its normal form: of something over time, its name and not its milliseconds.
fn normal(observed: &Value) -> Value {
    let of_label = |(label, seen): (&String, &Value)| {
        let name = seen.get("is").unwrap_or(seen);
        (label.clone(), name.clone())
    };
    observed.as_object().map_or(Value::Null, |labels| {
        Value::Object(labels.iter().map(of_label).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_the_same_name_is_no_flip_and_another_verdict_is_one() {
        let line = |verdict: &str, at_ms: f64| {
            let observed = json!({ "end": { "is": "alive", "at_ms": at_ms }, "then": "ok" });
            json!({ "scenario": "s", "case": {}, "implementation": "kernel", "verdict": verdict, "observed": observed })
        };
        let answer = |verdict, at_ms| answers(&[line(verdict, at_ms)], &[]);
        assert_eq!(answer("pass", 1.0), answer("pass", 2.0));
        assert_ne!(answer("pass", 1.0), answer("fail", 1.0));
    }
}
