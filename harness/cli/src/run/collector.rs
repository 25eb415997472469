//! Outcomes → results: gathers what sessions tell until a scenario is whole, judges it, compares its table.
//!
//! Scenarios are reported in the order of the plan, so that two runs compare line by line; the price is that a
//! scenario that is whole waits for those before it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reusespec_core::judge::{judge, stale_deviations};
use reusespec_core::protocol::{Finished, Hello};
use reusespec_core::system::{kernel_name, kernel_names};
use reusespec_core::table::{Comparison, Scope, Table, break_if_late};
use reusespec_core::{CaseKey, Deviation, Judgement, Outcome, System, Timing};

use super::{HOST, Platform, Settings, reviewed_as, snapshot_keys};
use crate::capture;
use crate::event::{Event, ScenarioResult, Summary};
use crate::implementations;
use crate::library::{find_snapshot, snapshot_path};
use crate::plan::{Portion, REFERENCE, TARGET, own_implementation};

/// Gathers outcomes until a scenario is whole.
pub(super) struct Collector<'c, 'l> {
    pub(super) platform: &'c Platform,
    implementation: &'c str,
    portions: &'c [Portion<'l>],
    settings: &'c Settings<'c>,
    /// What is tested and its release, where it has a profile.
    profiled: Option<(&'c implementations::Implementation, Option<String>)>,
    /// Those of the platform and of the implementation.
    deviations: Vec<Deviation>,
    pub(super) hello: Option<Hello>,
    outcomes: HashMap<CaseKey, (Outcome, Duration)>,
    missing: HashMap<&'l str, usize>,
    /// How many of the portions have been reported.
    told: usize,
}

impl<'c, 'l> Collector<'c, 'l> {
    pub(super) fn new(
        platform: &'c Platform,
        implementation: &'c str,
        portions: &'c [Portion<'l>],
        settings: &'c Settings<'c>,
        profiled: Option<(&'c implementations::Implementation, Option<String>)>,
    ) -> Self {
        let own = profiled.as_ref().map(|(found, _)| &found.profile.deviation);
        let deviations = platform.deviations.iter().chain(own.into_iter().flatten());
        let missing = portions
            .iter()
            .map(|portion| (portion.scenario.id.as_str(), portion.cases.len()))
            .collect();
        Self {
            platform,
            implementation,
            portions,
            settings,
            deviations: deviations.cloned().collect(),
            profiled,
            hello: None,
            outcomes: HashMap::new(),
            missing,
            told: 0,
        }
    }

    pub(super) fn has(&self, key: &CaseKey) -> bool {
        self.missing.contains_key(key.scenario.as_str())
    }

    /// Takes the outcome of a case.
    pub(super) fn finished(
        &mut self,
        finished: Finished,
        summary: &mut Summary,
        report: &mut dyn FnMut(Event<'_>),
    ) {
        report(Event::CaseFinished { key: &finished.key });
        if let Err(error) = self.keep_capture(&finished) {
            report(Event::Note(format!(
                "{}: the capture is lost: {error}",
                finished.key
            )));
        }
        for result in self.add(finished) {
            summary.add(&result);
            report(Event::ScenarioFinished(result));
        }
    }

    fn keep_capture(&self, finished: &Finished) -> io::Result<()> {
        let (Some(folder), Some(capture)) = (&self.settings.capture, &finished.capture) else {
            return Ok(());
        };
        capture::write(folder, &finished.key, capture)
    }

    /// Takes an outcome; returns the scenarios that are whole now, in the order of the files. A slow scenario
    /// holds back the reports of those after it, so that two runs can be compared line by line.
    fn add(&mut self, finished: Finished) -> Vec<ScenarioResult<'c>> {
        if let Some(missing) = self.missing.get_mut(finished.key.scenario.as_str()) {
            *missing -= 1;
            let elapsed = Duration::from_micros(finished.elapsed_us);
            self.outcomes.insert(finished.key, (finished.outcome, elapsed));
        }
        let whole = |portion: &&Portion<'_>| self.missing.get(portion.scenario.id.as_str()) == Some(&0);
        let ready = self.portions[self.told..].iter().take_while(whole);
        let results: Vec<_> = ready.map(|portion| self.conclude(portion)).collect();
        self.told += results.len();
        results
    }

    fn conclude(&self, portion: &'c Portion<'l>) -> ScenarioResult<'c> {
        let scenario = portion.scenario;
        let system = self
            .hello
            .as_ref()
            .map_or_else(unknown_system, |hello| hello.system.clone());
        let deviations = &self.deviations;
        let timing = self
            .hello
            .as_ref()
            .map_or(&Timing::UNKNOWN, |hello| &hello.timing);
        let reviewed = self.snapshot(portion);
        let table = reviewed.as_ref().map(|(table, _)| table);
        let cases: Vec<_> = portion
            .cases
            .iter()
            .filter_map(|case| {
                let (outcome, elapsed) = self.outcomes.get(&case.key)?;
                let mut judgement = judge(scenario, &case.key, outcome, &system, timing, deviations);
                break_if_late(scenario, table, &mut judgement);
                Some((judgement, *elapsed))
            })
            .collect();
        let judgements: Vec<&Judgement> = cases.iter().map(|(judgement, _)| judgement).collect();
        let stale = stale_deviations(scenario, &judgements, &system, deviations);
        let stale = stale.into_iter().cloned().collect();
        let (comparison, snapshot) = self.compare(portion, &judgements, reviewed);
        ScenarioResult {
            scenario,
            platform: &self.platform.name,
            kernel: self.kernel(),
            reviewed: self.reviewed(),
            implementation: self.implementation,
            comparison,
            snapshot,
            stale,
            again: self.again(&scenario.id),
            cases,
        }
    }

    /// What snapshots call the kernel.
    fn kernel(&self) -> String {
        let name = |hello: &Hello| kernel_name(&hello.system, &hello.machine);
        self.hello.as_ref().map_or_else(|| unknown_system().name, name)
    }

    /// What the heads of snapshots call what ran.
    fn reviewed(&self) -> String {
        let profiled = self.profiled.as_ref().and_then(|(_, release)| release.as_deref());
        // What somebody has started is compared with the reference, but nobody has reviewed it.
        let release = profiled.or((self.implementation == TARGET).then_some(TARGET));
        reviewed_as(&self.kernel(), release)
    }

    /// The reviewed table and its file.
    fn snapshot(&self, portion: &Portion<'_>) -> Option<(Table, PathBuf)> {
        let scenario = portion.scenario;
        let kernels = self
            .hello
            .as_ref()
            .map_or_else(Vec::new, |hello| kernel_names(&hello.system, &hello.machine));
        let names = match &self.profiled {
            Some((found, _)) => found.names(),
            None => vec![self.implementation.to_owned()],
        };
        let keys = snapshot_keys(&kernels, &names, own_implementation(scenario));
        let root = self.settings.root;
        find_snapshot(root, &scenario.id, &keys)
            .map(|(key, table)| (table, snapshot_path(root, &scenario.id, &key)))
    }

    /// Compares the run with the reviewed table; also returns that table's file.
    fn compare(
        &self,
        portion: &Portion<'_>,
        judgements: &[&Judgement],
        reviewed: Option<(Table, PathBuf)>,
    ) -> (Comparison, Option<PathBuf>) {
        let scenario = portion.scenario;
        let varies =
            |(found, _): &(&implementations::Implementation, _)| found.profile.varies_in(&scenario.id);
        if self.profiled.as_ref().is_some_and(varies) {
            return (Comparison::Same, None);
        }
        let table = Table::of_run(scenario, judgements, &self.reviewed());
        let (old, path) = reviewed.unzip();
        let whole = portion.cases.len() == scenario.cases.len();
        let scope = if whole {
            Scope::AllCases
        } else {
            Scope::ChosenCases
        };
        (table.compare(old.as_ref(), judgements, scope), path)
    }

    fn own(&self, scenario: &str) -> &'static str {
        let portion = self
            .portions
            .iter()
            .find(|portion| portion.scenario.id == scenario);
        portion.map_or(REFERENCE, |portion| own_implementation(portion.scenario))
    }

    fn again(&self, scenario: &str) -> String {
        let mut words = vec![format!("reusespec run {scenario}")];
        if self.platform.name != HOST {
            words.push(format!("--platform {}", self.platform.name));
        }
        match (&self.settings.target, &self.settings.fault) {
            (Some(target), _) => {
                words.push(format!("--target {}", target.at));
                words.extend(
                    target
                        .script_filename
                        .iter()
                        .map(|script| format!("--script-filename {script}")),
                );
            }
            (None, Some(fault)) => words.push(format!(
                "--implementation {} --fault {fault}",
                self.implementation
            )),
            (None, None) if self.implementation != self.own(scenario) => {
                words.push(format!("--implementation {}", self.implementation));
            }
            (None, None) => {}
        }
        words.join(" ")
    }
}

/// Stands in for the system of an agent that never said hello; no claim is judged on it.
fn unknown_system() -> System {
    System {
        name: "unknown".to_owned(),
        release: String::new(),
    }
}
