//! This machine as a platform, with the agent cargo has built beside the test, and what becomes of portions on it.

use std::path::{Path, PathBuf};

use reusespec::event::{Event, Summary};
use reusespec::plan::Portion;
use reusespec::run::{HOST, Platform, Settings, run_portions};
use reusespec_core::table::Comparison;
use reusespec_core::{Deviation, Judgement, Scenario, System};
use reusespec_platforms::AgentCommand;

pub(crate) fn host() -> Platform {
    let agent = AgentCommand::new(env!("CARGO_BIN_EXE_scenarios-agent"), []);
    Platform {
        name: HOST.to_owned(),
        starter: Box::new(agent),
        deviations: Vec::new(),
    }
}

/// The folder of scenarios.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A scenario that has been run: its cases in order, its table beside the reviewed one.
pub(crate) struct Ran<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) comparison: Comparison,
    /// Deviations that no longer occur.
    pub(crate) stale: Vec<Deviation>,
}

/// Runs portions on this machine, with a known bug of the reference or none. Returns the system, the machine, and the
/// scenarios in order.
pub(crate) fn run<'s>(
    implementation: &str,
    portions: &[Portion<'s>],
    fault: Option<&str>,
) -> ((System, String), Vec<Ran<'s>>) {
    let root = root();
    let settings = Settings {
        fault: fault.map(str::to_owned),
        ..Settings::of(&root)
    };
    let mut kernel = None;
    let mut results = Vec::new();
    run_portions(
        &host(),
        implementation,
        portions,
        &settings,
        &mut Summary::default(),
        &mut |event| match event {
            Event::PlatformReady { hello, .. } => {
                kernel = Some((hello.system.clone(), hello.machine.clone()));
            }
            Event::ScenarioFinished(result) => results.push((
                result.cases.into_iter().map(|(judgement, _)| judgement).collect(),
                result.comparison,
                result.stale,
            )),
            Event::Note(note) => eprintln!("note: {note}"),
            _ => {}
        },
    );
    let ran = portions.iter().zip(results);
    let ran: Vec<_> = ran
        .map(|(portion, (judgements, comparison, stale))| Ran {
            scenario: portion.scenario,
            judgements,
            comparison,
            stale,
        })
        .collect();
    let why = || {
        let first = ran.first().and_then(|ran| ran.judgements.first());
        first.and_then(|judgement| judgement.reason.as_deref())
    };
    let kernel = kernel.unwrap_or_else(|| panic!("broken: {}", why().unwrap_or("no case has an outcome")));
    (kernel, ran)
}
