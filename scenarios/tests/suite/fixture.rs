//! This machine as a platform, with the agent that cargo has built beside the test; runs cases on it.

use std::path::{Path, PathBuf};

use reusespec::event::{Event, Summary};
use reusespec::plan::ScenarioCases;
use reusespec::run::{HOST, Platform, Settings, run_implementation};
use reusespec_core::table::Comparison;
use reusespec_core::{Deviation, Judgement, Provenance, Scenario, System};
use reusespec_platforms::AgentCommand;

pub(crate) fn host() -> Platform {
    let agent = AgentCommand::new(env!("CARGO_BIN_EXE_scenarios-agent"), []);
    Platform {
        name: HOST.to_owned(),
        starter: Box::new(agent),
        deviations: Vec::new(),
        varies: Vec::new(),
    }
}

/// The folder of scenarios.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The results of a scenario.
pub(crate) struct ScenarioRun<'s> {
    pub(crate) scenario: &'s Scenario,
    /// In the order of the cases.
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) provenance: Provenance,
    /// The comparison of the table with the snapshot.
    pub(crate) comparison: Comparison,
    /// Known deviations that no longer occur.
    pub(crate) stale: Vec<Deviation>,
}

/// Runs cases on this machine, with a fault of the reference or none. Returns the system and the results of the
/// scenarios in order.
pub(crate) fn run<'s>(
    implementation: &str,
    chosen: &[ScenarioCases<'s>],
    fault: Option<&str>,
) -> (System, Vec<ScenarioRun<'s>>) {
    let root = root();
    let settings = Settings {
        fault: fault.map(str::to_owned),
        ..Settings::of(&root)
    };
    let mut system = None;
    let mut runs = Vec::new();
    let mut scenarios = chosen.iter().map(|each| each.scenario);
    run_implementation(
        &host(),
        implementation,
        chosen,
        &settings,
        &mut Summary::default(),
        &mut |event| match event {
            Event::PlatformReady { hello, .. } => system = Some(hello.system.clone()),
            Event::ScenarioFinished(result) => {
                let judgements: Vec<_> = result.cases.into_iter().map(|(judgement, _)| judgement).collect();
                let reason = judgements
                    .first()
                    .and_then(|judgement| judgement.reason.as_deref());
                let no_agent = || panic!("broken: {}", reason.unwrap_or("no case has an outcome"));
                runs.push(ScenarioRun {
                    scenario: scenarios.next().expect("a scenario is reported once"),
                    provenance: result.provenance.unwrap_or_else(no_agent),
                    judgements,
                    comparison: result.comparison,
                    stale: result.stale,
                });
            }
            Event::Note(note) => eprintln!("note: {note}"),
            Event::RunStarted { .. } | Event::CaseFinished(_) | Event::RunFinished(_) => {}
        },
    );
    (system.expect("an agent has started"), runs)
}
