//! Sessions → verdicts → events.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use reusespec_core::judge::{judge, stale_deviations};
use reusespec_core::protocol::{Finished, Hello, Implementation};
use reusespec_core::table::{Comparison, Scope, Table};
use reusespec_core::{Case, CaseKey, Deviation, Judgement, Outcome, System};
use reusespec_platforms::AgentCommand;

use crate::event::{Event, ScenarioResult, Summary};
use crate::library::find_snapshot;
use crate::plan::{KERNEL, Portion, own_implementation};
use crate::session::{Progress, Session};

/// Where cases run.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Its name in reports.
    pub name: String,
    /// Starts its agent.
    pub agent: AgentCommand,
    /// Its known disagreements.
    pub deviations: Vec<Deviation>,
}

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Settings<'s> {
    /// The folder of scenarios, for the snapshots in it.
    pub root: &'s Path,
    /// Cases that may be busy at once; the platform's processors if 0.
    pub jobs: usize,
    /// A known bug to switch on in the reference.
    pub fault: Option<String>,
}

/// Runs the portions of one implementation on one platform and tells what happens.
pub fn run_portions(
    platform: &Platform,
    implementation: &str,
    portions: &[Portion<'_>],
    settings: &Settings<'_>,
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    let cases: Vec<&Case> = portions
        .iter()
        .flat_map(|portion| portion.cases.iter().copied())
        .collect();
    let mut collector = Collector::new(platform, implementation, portions, settings);
    let start = || platform.agent.start().map_err(|error| with_causes(&error));
    let answers = match implementation {
        KERNEL => Implementation::Kernel,
        _ => Implementation::Reference {
            fault: settings.fault.clone(),
        },
    };
    let session = Session {
        start: &start,
        jobs: settings.jobs,
        implementation: answers,
    };
    session.run(&cases, &mut |progress| match progress {
        Progress::Hello(hello) => {
            report(Event::PlatformReady {
                platform: &platform.name,
                hello,
            });
            collector.hello = Some(hello.clone());
        }
        Progress::Note(note) => report(Event::Note(format!("{}: {note}", platform.name))),
        Progress::Finished(finished) => {
            report(Event::CaseFinished { key: &finished.key });
            if let Some(result) = collector.add(finished) {
                summary.add(&result);
                report(Event::ScenarioFinished(result));
            }
        }
    });
}

/// The error and what caused it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Gathers outcomes until a scenario is whole.
struct Collector<'c, 'l> {
    platform: &'c Platform,
    implementation: &'c str,
    portions: &'c [Portion<'l>],
    settings: &'c Settings<'c>,
    hello: Option<Hello>,
    outcomes: HashMap<CaseKey, (Outcome, Duration)>,
    missing: HashMap<&'l str, usize>,
}

impl<'c, 'l> Collector<'c, 'l> {
    fn new(
        platform: &'c Platform,
        implementation: &'c str,
        portions: &'c [Portion<'l>],
        settings: &'c Settings<'c>,
    ) -> Self {
        let missing = portions
            .iter()
            .map(|portion| (portion.scenario.id.as_str(), portion.cases.len()))
            .collect();
        Self {
            platform,
            implementation,
            portions,
            settings,
            hello: None,
            outcomes: HashMap::new(),
            missing,
        }
    }

    /// Takes an outcome; returns the scenario's result when it was the last one.
    fn add(&mut self, finished: Finished) -> Option<ScenarioResult<'c>> {
        let portion = self
            .portions
            .iter()
            .find(|portion| portion.scenario.id == finished.key.scenario)?;
        let elapsed = Duration::from_micros(finished.elapsed_us);
        self.outcomes.insert(finished.key, (finished.outcome, elapsed));
        let missing = self.missing.get_mut(portion.scenario.id.as_str())?;
        *missing -= 1;
        (*missing == 0).then(|| self.conclude(portion))
    }

    fn conclude(&self, portion: &'c Portion<'l>) -> ScenarioResult<'c> {
        let scenario = portion.scenario;
        let system = self
            .hello
            .as_ref()
            .map_or_else(unknown_system, |hello| hello.system.clone());
        let deviations = &self.platform.deviations;
        let cases: Vec<_> = portion
            .cases
            .iter()
            .filter_map(|case| {
                let (outcome, elapsed) = self.outcomes.get(&case.key)?;
                Some((judge(scenario, &case.key, outcome, &system, deviations), *elapsed))
            })
            .collect();
        let judgements: Vec<&Judgement> = cases.iter().map(|(judgement, _)| judgement).collect();
        let stale = stale_deviations(scenario, &judgements, &system, deviations);
        let stale = stale.into_iter().cloned().collect();
        let comparison = self.compare(portion, &judgements, &system);
        ScenarioResult {
            scenario,
            platform: &self.platform.name,
            implementation: self.implementation,
            comparison,
            stale,
            again: self.again(&scenario.id),
            cases,
        }
    }

    fn compare(&self, portion: &Portion<'_>, judgements: &[&Judgement], system: &System) -> Comparison {
        let scenario = portion.scenario;
        let table = Table::of_run(scenario, judgements, &system.series());
        let keys = snapshot_keys(system, self.implementation, own_implementation(scenario));
        let old = find_snapshot(self.settings.root, &scenario.id, &keys).map(|(_, table)| table);
        let whole = portion.cases.len() == scenario.cases.len();
        let scope = if whole {
            Scope::AllCases
        } else {
            Scope::ChosenCases
        };
        table.compare(old.as_ref(), judgements, scope)
    }

    fn again(&self, scenario: &str) -> String {
        let mut words = vec![format!("reusespec run {scenario}")];
        if self.platform.name != HOST {
            words.push(format!("--platform {}", self.platform.name));
        }
        if let Some(fault) = &self.settings.fault {
            words.push(format!(
                "--implementation {} --fault {fault}",
                self.implementation
            ));
        }
        words.join(" ")
    }
}

/// The name of the platform that is this machine.
pub const HOST: &str = "host";

/// Names of the snapshots that may hold a kernel's rows, most particular first: `linux-6.18`, then `linux`,
/// each followed by `+implementation` where it is not the scenario's own.
pub fn snapshot_keys(system: &System, implementation: &str, own: &str) -> Vec<String> {
    let suffix = if implementation == own {
        String::new()
    } else {
        format!("+{implementation}")
    };
    [system.series(), system.name.clone()]
        .into_iter()
        .map(|key| format!("{key}{suffix}"))
        .collect()
}

/// Stands in for the system of an agent that never said hello; no claim is judged on it.
fn unknown_system() -> System {
    System {
        name: "unknown".to_owned(),
        release: String::new(),
    }
}

/// Runs a plan from beginning to end on the platforms.
pub fn run(
    platforms: &[Platform],
    work: &[(String, Vec<Portion<'_>>)],
    settings: &Settings<'_>,
    report: &mut dyn FnMut(Event<'_>),
) -> Summary {
    let started = Instant::now();
    let portions = || work.iter().flat_map(|(_, portions)| portions);
    let cases = portions().map(|portion| portion.cases.len()).sum::<usize>() * platforms.len();
    let scenarios = portions().count() * platforms.len();
    report(Event::RunStarted { cases, scenarios });
    let mut summary = Summary::default();
    for platform in platforms {
        for (implementation, portions) in work {
            run_portions(platform, implementation, portions, settings, &mut summary, report);
        }
    }
    summary.elapsed = started.elapsed();
    report(Event::RunFinished(&summary));
    summary
}
