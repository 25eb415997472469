//! Collects outcomes until a scenario is complete, then judges its cases and compares its table with the snapshot.
//!
//! Scenarios are reported in the order of the plan, so that the reports of two runs can be compared line by line. The
//! price is that a complete scenario waits for those before it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reusespec_core::judge::{judge, stale_deviations};
use reusespec_core::protocol::{Finished, Hello};
use reusespec_core::table::{Comparison, Scope, Table, break_if_late};
use reusespec_core::{
    CaseKey, Deviation, Judgement, KernelName, Outcome, Provenance, Scenario, SnapshotKey, System, Timing,
};

use super::{HOST, Platform, Settings};
use crate::capture;
use crate::event::{Event, ScenarioResult, Summary};
use crate::implementations;
use crate::library::{find_snapshot, snapshot_path};
use crate::plan::{ScenarioCases, default_implementation};

/// Collects the outcomes of one implementation on one platform.
pub(super) struct Collector<'c, 'l> {
    pub(super) platform: &'c Platform,
    implementation: &'c str,
    chosen: &'c [ScenarioCases<'l>],
    settings: &'c Settings<'c>,
    /// The implementation and its release, if it has a profile.
    profiled: Option<(&'c implementations::ProfiledImplementation, Option<String>)>,
    /// The known deviations of the platform and of the implementation.
    deviations: Vec<Deviation>,
    pub(super) hello: Option<Hello>,
    outcomes: HashMap<CaseKey, (Outcome, Duration)>,
    /// The number of cases without an outcome, by scenario.
    missing: HashMap<&'l str, usize>,
    /// The number of scenarios that have been reported.
    reported: usize,
}

impl<'c, 'l> Collector<'c, 'l> {
    pub(super) fn new(
        platform: &'c Platform,
        implementation: &'c str,
        chosen: &'c [ScenarioCases<'l>],
        settings: &'c Settings<'c>,
        profiled: Option<(&'c implementations::ProfiledImplementation, Option<String>)>,
    ) -> Self {
        let own = profiled.as_ref().map(|(found, _)| &found.profile.deviation);
        let deviations = platform.deviations.iter().chain(own.into_iter().flatten());
        let missing = chosen
            .iter()
            .map(|each| (each.scenario.id.as_str(), each.cases.len()))
            .collect();
        Self {
            platform,
            implementation,
            chosen,
            settings,
            deviations: deviations.cloned().collect(),
            profiled,
            hello: None,
            outcomes: HashMap::new(),
            missing,
            reported: 0,
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
                "{}: cannot write the recording: {error}",
                finished.key
            )));
        }
        for result in self.add(finished) {
            summary.add(&result);
            report(Event::ScenarioFinished(Box::new(result)));
        }
    }

    fn keep_capture(&self, finished: &Finished) -> io::Result<()> {
        let (Some(folder), Some(capture)) = (&self.settings.capture, &finished.capture) else {
            return Ok(());
        };
        capture::write(folder, &finished.key, capture)
    }

    /// Takes an outcome. Returns the scenarios that can be reported now, in the order of the plan.
    fn add(&mut self, finished: Finished) -> Vec<ScenarioResult<'c>> {
        if let Some(missing) = self.missing.get_mut(finished.key.scenario.as_str()) {
            *missing -= 1;
            let elapsed = Duration::from_micros(finished.elapsed_us);
            self.outcomes.insert(finished.key, (finished.outcome, elapsed));
        }
        let is_complete = |each: &&ScenarioCases<'_>| self.missing.get(each.scenario.id.as_str()) == Some(&0);
        let ready = self.chosen[self.reported..].iter().take_while(is_complete);
        let results: Vec<_> = ready.map(|each| self.conclude(each)).collect();
        self.reported += results.len();
        results
    }

    fn conclude(&self, chosen: &'c ScenarioCases<'l>) -> ScenarioResult<'c> {
        let scenario = chosen.scenario;
        let system = self
            .hello
            .as_ref()
            .map_or_else(unknown_system, |hello| hello.system.clone());
        let deviations = &self.deviations;
        let timing = self
            .hello
            .as_ref()
            .map_or(&Timing::UNKNOWN, |hello| &hello.timing);
        let provenance = self.provenance();
        let reviewed = provenance
            .as_ref()
            .and_then(|provenance| self.snapshot(scenario, provenance));
        let table = reviewed.as_ref().map(|(table, _)| table);
        let cases: Vec<_> = chosen
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
        let (comparison, snapshot) = match &provenance {
            Some(provenance) => self.compare(chosen, &judgements, provenance, reviewed),
            None => (Comparison::New(Vec::new()), None),
        };
        ScenarioResult {
            scenario,
            platform: &self.platform.name,
            implementation: self.implementation,
            provenance,
            comparison,
            snapshot,
            stale,
            again: self.again(scenario),
            cases,
        }
    }

    /// `None` if no agent has started.
    fn provenance(&self) -> Option<Provenance> {
        let hello = self.hello.as_ref()?;
        Some(Provenance {
            kernel: KernelName::of(&hello.system, &hello.machine),
            implementation: self.implementation.to_owned(),
            release: self.profiled.as_ref().and_then(|(_, release)| release.clone()),
        })
    }

    /// The reviewed table and its file.
    fn snapshot(&self, scenario: &Scenario, provenance: &Provenance) -> Option<(Table, PathBuf)> {
        let profile = self.profiled.as_ref().map(|(found, _)| &found.profile);
        let key = SnapshotKey::of(scenario.family, &scenario.id, provenance);
        let like = profile.and_then(|profile| profile.like.as_deref());
        let keys = key.look_up_order(like, default_implementation(scenario));
        let root = self.settings.root;
        find_snapshot(root, &keys).map(|(key, table)| (table, snapshot_path(root, &key)))
    }

    /// Compares the table with the snapshot; also returns the snapshot's file.
    fn compare(
        &self,
        chosen: &ScenarioCases<'_>,
        judgements: &[&Judgement],
        provenance: &Provenance,
        reviewed: Option<(Table, PathBuf)>,
    ) -> (Comparison, Option<PathBuf>) {
        let scenario = chosen.scenario;
        let profile = self.profiled.as_ref().map(|(found, _)| &found.profile);
        if profile.is_some_and(|profile| profile.varies_in(&scenario.id)) {
            return (Comparison::Same, None);
        }
        let table = Table::of_run(scenario, judgements, provenance);
        let (old, path) = reviewed.unzip();
        let scope = if chosen.cases.len() == scenario.cases.len() {
            Scope::AllCases
        } else {
            Scope::ChosenCases
        };
        (table.compare(old.as_ref(), judgements, scope), path)
    }

    fn again(&self, scenario: &Scenario) -> String {
        let mut words = vec![format!("reusespec run {}", scenario.id)];
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
            (None, None) if self.implementation != default_implementation(scenario) => {
                words.push(format!("--implementation {}", self.implementation));
            }
            (None, None) => {}
        }
        words.join(" ")
    }
}

/// Stands for the system of an agent that did not start. Its cases are broken, so no claim is judged on it.
fn unknown_system() -> System {
    System {
        name: "unknown".to_owned(),
        release: String::new(),
    }
}
