//! Judges each case as it finishes, and compares the table of a scenario with the snapshot when all its cases have.
//!
//! Cases are reported as they finish, so that a stall can be seen. Scenarios are reported in the order of the plan, so that
//! the reports of two runs can be compared line by line. The price is that a complete scenario waits for those before it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reusespec_core::judge::{judge, stale_deviations};
use reusespec_core::protocol::{Finished, Hello};
use reusespec_core::table::{Comparison, Scope, Table, break_if_late};
use reusespec_core::{
    Case, CaseKey, Deviation, Judgement, KernelName, Provenance, Scenario, SnapshotKey, System, Timing,
};

use super::{HOST, Platform, Settings};
use crate::capture;
use crate::event::{CaseResult, Event, ScenarioResult, Summary};
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
    judged: HashMap<CaseKey, (Judgement, Duration)>,
    /// The reviewed table of each scenario that has begun, and its file.
    reviewed: HashMap<&'l str, Option<(Table, PathBuf)>>,
    /// The number of cases without an outcome, by scenario.
    missing: HashMap<&'l str, usize>,
    /// The number of scenarios that have been reported.
    reported: usize,
    /// The cases to execute in the next session.
    due: Vec<&'l Case>,
    /// Whether cases for which the machine is late are executed again.
    may_repeat: bool,
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
            judged: HashMap::new(),
            reviewed: HashMap::new(),
            missing,
            reported: 0,
            due: chosen
                .iter()
                .flat_map(|each| each.cases.iter().copied())
                .collect(),
            may_repeat: true,
        }
    }

    /// Takes the cases to execute in the next session: all at first, then those for which the machine was late.
    /// `is_last` says that no session comes after that one.
    pub(super) fn take_due(&mut self, is_last: bool) -> Vec<&'l Case> {
        self.may_repeat = !is_last;
        std::mem::take(&mut self.due)
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
        if let Err(error) = self.keep_capture(&finished) {
            report(Event::Note(format!(
                "{}: cannot write the recording: {error}",
                finished.key
            )));
        }
        self.judge(finished, report);
        for result in self.complete() {
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

    /// Judges an outcome and reports the case.
    fn judge(&mut self, finished: Finished, report: &mut dyn FnMut(Event<'_>)) {
        let Some(chosen) = self
            .chosen
            .iter()
            .find(|each| each.scenario.id == finished.key.scenario)
        else {
            return;
        };
        let scenario = chosen.scenario;
        let provenance = self.provenance();
        if !self.reviewed.contains_key(scenario.id.as_str()) {
            let reviewed = provenance
                .as_ref()
                .and_then(|provenance| self.snapshot(scenario, provenance));
            self.reviewed.insert(&scenario.id, reviewed);
        }
        let reviewed = self.reviewed.get(scenario.id.as_str()).and_then(Option::as_ref);
        let table = reviewed.map(|(table, _)| table);
        let (system, timing) = (self.system(), self.timing());
        let mut judgement = judge(
            scenario,
            &finished.key,
            &finished.outcome,
            &system,
            timing,
            &self.deviations,
        );
        break_if_late(scenario, table, &mut judgement);
        if judgement.was_late && self.may_repeat {
            let late = chosen.cases.iter().find(|case| case.key == finished.key);
            self.due.extend(late);
            return;
        }
        let comparison = provenance
            .as_ref()
            .map(|provenance| self.compare(scenario, &[&judgement], provenance, table, Scope::ChosenCases));
        let elapsed = Duration::from_micros(finished.elapsed_us);
        report(Event::CaseFinished(&CaseResult {
            platform: &self.platform.name,
            implementation: self.implementation,
            provenance: provenance.as_ref(),
            judgement: &judgement,
            elapsed,
            changed: matches!(comparison, Some(Comparison::Changed(_))),
            varies: self.varies(scenario),
        }));
        if let Some(missing) = self.missing.get_mut(scenario.id.as_str()) {
            *missing -= 1;
            self.judged.insert(finished.key, (judgement, elapsed));
        }
    }

    /// The scenarios that can be reported now, in the order of the plan.
    fn complete(&mut self) -> Vec<ScenarioResult<'c>> {
        let is_complete = |each: &&ScenarioCases<'_>| self.missing.get(each.scenario.id.as_str()) == Some(&0);
        let ready: Vec<_> = self.chosen[self.reported..]
            .iter()
            .take_while(is_complete)
            .collect();
        self.reported += ready.len();
        ready.into_iter().map(|each| self.conclude(each)).collect()
    }

    fn system(&self) -> System {
        self.hello
            .as_ref()
            .map_or_else(unknown_system, |hello| hello.system.clone())
    }

    fn timing(&self) -> &Timing {
        self.hello
            .as_ref()
            .map_or(&Timing::UNKNOWN, |hello| &hello.timing)
    }

    fn conclude(&mut self, chosen: &'c ScenarioCases<'l>) -> ScenarioResult<'c> {
        let scenario = chosen.scenario;
        let reviewed = self.reviewed.remove(scenario.id.as_str()).flatten();
        let taken = chosen
            .cases
            .iter()
            .filter_map(|case| self.judged.remove(&case.key));
        let cases: Vec<_> = taken.collect();
        let judgements: Vec<&Judgement> = cases.iter().map(|(judgement, _)| judgement).collect();
        let stale = stale_deviations(scenario, &judgements, &self.system(), &self.deviations);
        let stale = stale.into_iter().cloned().collect();
        let scope = if chosen.cases.len() == scenario.cases.len() {
            Scope::AllCases
        } else {
            Scope::ChosenCases
        };
        let provenance = self.provenance();
        let (table, snapshot) = reviewed.unzip();
        let comparison = match &provenance {
            Some(provenance) => self.compare(scenario, &judgements, provenance, table.as_ref(), scope),
            None => Comparison::New(Vec::new()),
        };
        ScenarioResult {
            scenario,
            platform: &self.platform.name,
            implementation: self.implementation,
            snapshot: snapshot.filter(|_| !self.varies(scenario)),
            provenance,
            comparison,
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

    /// Whether the profile of the platform or implementation lists the scenario under `varies`, so that no snapshot holds its
    /// rows.
    fn varies(&self, scenario: &Scenario) -> bool {
        let on_platform = self.platform.varies.iter();
        let profile = self.profiled.as_ref().map(|(found, _)| &found.profile);
        profile.is_some_and(|profile| profile.varies_in(&scenario.id))
            || on_platform
                .map(|varies| &varies.scenario)
                .any(|id| *id == scenario.id)
    }

    /// Compares the rows of these judgements with the reviewed table.
    fn compare(
        &self,
        scenario: &Scenario,
        judgements: &[&Judgement],
        provenance: &Provenance,
        reviewed: Option<&Table>,
        scope: Scope,
    ) -> Comparison {
        if self.varies(scenario) {
            return Comparison::Same;
        }
        Table::of_run(scenario, judgements, provenance).compare(reviewed, judgements, scope)
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
