//! HTML reports: a page for the run and one for each scenario. They have no scripts, so they can be opened from a folder or
//! attached to a CI job.
//!
//! The templates get plain values instead of the crate's types, so all text is formatted in this file. A page is written
//! when its scenario finishes; an interrupted run keeps the pages written so far.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::{Environment, Value, context};
use reusespec_core::{Judgement, Observed, Verdict};

use super::Reporter;
use crate::event::{Event, ScenarioResult, Summary};

const RUN: &str = "run.html";
const SCENARIO: &str = "scenario.html";

/// Writes pages into a folder.
pub struct HtmlReporter {
    folder: PathBuf,
    pages: Environment<'static>,
    /// The rows of the run's page, one for each finished scenario.
    scenarios: Vec<Value>,
    notes: Vec<String>,
}

impl HtmlReporter {
    /// Writes to `folder`, and creates it if necessary.
    ///
    /// # Panics
    /// If a template of this program does not parse. A test renders both.
    pub fn new(folder: &Path) -> Self {
        let mut pages = Environment::new();
        for (name, text) in [
            (RUN, include_str!("html/run.html")),
            (SCENARIO, include_str!("html/scenario.html")),
        ] {
            pages
                .add_template(name, text)
                .expect("the templates are part of this program");
        }
        Self {
            folder: folder.to_owned(),
            pages,
            scenarios: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn write(&self, page: &str, template: &str, values: &Value) -> io::Result<()> {
        let text = self
            .pages
            .get_template(template)
            .and_then(|page| page.render(values));
        let file = self.folder.join(page);
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(at)?;
        }
        fs::write(&file, text.map_err(io::Error::other)?).map_err(at)
    }

    fn add(&mut self, result: &ScenarioResult<'_>) -> io::Result<()> {
        let id = &result.scenario.id;
        let page = format!("{id}@{}+{}.html", result.platform, result.implementation);
        let cases: Vec<_> = result.cases.iter().map(|case| of_case(result, case)).collect();
        let axes: Vec<_> = result.scenario.axes.iter().map(|axis| &axis.name).collect();
        let head = context! {
            id,
            title => result.scenario.title,
            platform => result.platform,
            implementation => result.implementation,
        };
        let values = context! {
            head,
            root => "../".repeat(page.matches('/').count()),
            why => result.scenario.why,
            sources => result.scenario.source,
            axes,
            labels => result.scenario.labels,
            cases,
            stale => result.stale.iter().map(|deviation| context! {
                claim => deviation.claim, reason => deviation.reason
            }).collect::<Vec<_>>(),
            again => result.again,
        };
        self.write(&page, SCENARIO, &values)?;
        let changed = result
            .cases
            .iter()
            .any(|(judgement, _)| result.changed(&judgement.key));
        self.scenarios.push(context! {
            head,
            page,
            counts => counts(|verdict| {
                result.cases.iter().filter(|(judgement, _)| judgement.verdict == verdict).count()
            }),
            changed,
            stale => !result.stale.is_empty(),
        });
        Ok(())
    }

    fn finish(&self, summary: &Summary) -> io::Result<()> {
        let values = context! {
            cases => summary.cases(),
            seconds => format!("{:.1}", summary.elapsed.as_secs_f64()),
            counts => counts(|verdict| summary.count(verdict)),
            changed => summary.changed,
            new => summary.new_rows,
            stale => summary.stale,
            scenarios => self.scenarios,
            notes => self.notes,
        };
        self.write("index.html", RUN, &values)
    }
}

/// The name and count of every verdict, in the order that all summaries use.
fn counts(count: impl Fn(Verdict) -> usize) -> Vec<Value> {
    let of = |verdict: Verdict| context! { verdict => verdict.name(), count => count(verdict) };
    Verdict::all().map(of).collect()
}

fn of_case(result: &ScenarioResult<'_>, (judgement, elapsed): &(Judgement, Duration)) -> Value {
    let seen = |label: &String| {
        let found = judgement.observed.iter().find(|each| each.label == *label);
        found.map_or_else(String::new, |each| each.seen.to_string())
    };
    let transcripts = judgement
        .observed
        .iter()
        .any(|each| matches!(each.seen, Observed::Transcript(_)));
    context! {
        values => judgement.key.values.iter().map(|(_, value)| value).collect::<Vec<_>>(),
        verdict => judgement.verdict.name(),
        changed => result.changed(&judgement.key),
        reason => judgement.reason,
        seen => result.scenario.labels.iter().map(seen).collect::<Vec<_>>(),
        transcripts,
        claims => judgement.claims.iter().filter(|claim| !claim.holds()).map(|claim| context! {
            id => claim.id,
            level => claim.level.name(),
            source => claim.source,
            reason => claim.deviation.as_ref().map(|deviation| &deviation.reason),
            unmet => claim.unmet.iter().map(|unmet| context! {
                label => unmet.label,
                expected => unmet.expected,
                seen => unmet.seen,
                timeline => unmet.timeline.join("\n"),
            }).collect::<Vec<_>>(),
        }).collect::<Vec<_>>(),
        ms => format!("{:.1}", elapsed.as_secs_f64() * 1e3),
    }
}

impl Reporter for HtmlReporter {
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::ScenarioFinished(result) => self.add(result),
            Event::RunFinished(summary) => self.finish(summary),
            Event::Note(note) => {
                self.notes.push(note.clone());
                Ok(())
            }
            Event::RunStarted { .. } | Event::PlatformReady { .. } | Event::CaseFinished(_) => Ok(()),
        }
    }
}
