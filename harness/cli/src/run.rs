//! Runs a plan: starts the sessions of each platform, and passes their results through `collector` to the reporters.

mod collector;

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use reusespec_core::profile::Varies;
use reusespec_core::protocol::{Finished, Hello, Implementation, Target};
use reusespec_core::{Case, Deviation};
use reusespec_platforms::Starter;

use crate::event::{Event, Summary};
use crate::implementations;
use crate::plan::{KERNEL, REFERENCE, ScenarioCases, TARGET};
use crate::session::{Progress, Session, broken};
use collector::Collector;

/// How often a case is executed at most. A case for which the machine was late could not be judged, so it is executed
/// again. The summary counts the repetitions; any other result stands at once.
const SESSIONS: u32 = 3;

/// A platform that cases run on.
pub struct Platform {
    /// The name in reports.
    pub name: String,
    /// Starts agents.
    pub starter: Box<dyn Starter>,
    /// The known deviations of the platform.
    pub deviations: Vec<Deviation>,
    /// The scenarios in which the platform's rows differ from run to run.
    pub varies: Vec<Varies>,
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings<'s> {
    /// The folder of scenarios, which has the snapshots.
    pub root: &'s Path,
    /// The number of cases that may use a processor at once; the platform's number of processors if 0.
    pub jobs: usize,
    /// The fault to switch on in the reference.
    pub fault: Option<String>,
    /// The running application that the implementation [`TARGET`] stands for.
    pub target: Option<Target>,
    /// The folder for recordings of the cases' wires.
    pub capture: Option<PathBuf>,
}

impl<'s> Settings<'s> {
    /// The default settings: no fault, no target, no recordings.
    pub fn of(root: &'s Path) -> Self {
        Self {
            root,
            jobs: 0,
            fault: None,
            target: None,
            capture: None,
        }
    }
}

/// Runs cases for one implementation on one platform.
pub fn run_implementation(
    platform: &Platform,
    implementation: &str,
    cases: &[ScenarioCases<'_>],
    settings: &Settings<'_>,
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    run_platform(platform, &[(implementation, cases)], settings, summary, report);
}

/// Runs cases for several implementations on one platform. The implementations run concurrently, each with an agent of
/// its own, because cases mostly wait.
fn run_platform(
    platform: &Platform,
    work: &[(&str, &[ScenarioCases<'_>])],
    settings: &Settings<'_>,
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    let traits = platform.starter.traits();
    let target = traits.target.as_deref();
    let prepared: Vec<_> = work
        .iter()
        .map(|(name, _)| prepare(name, settings, &platform.name, target))
        .collect();
    let mut collectors: Vec<_> = work
        .iter()
        .zip(&prepared)
        .map(|((implementation, cases), prepared)| {
            let profiled = prepared
                .as_ref()
                .ok()
                .and_then(|prepared| prepared.profiled.as_ref());
            let profiled = profiled.map(|profiled| (profiled, release(profiled, report)));
            Collector::new(platform, implementation, cases, settings, profiled)
        })
        .collect();
    let agents = assign_agents(&prepared, traits.dedicated_machine);
    for session in 1..=SESSIONS {
        let due: Vec<Vec<&Case>> = agents
            .iter()
            .map(|agent| {
                let take = |index: &usize| collectors[*index].take_due(session == SESSIONS);
                agent.iter().flat_map(take).collect()
            })
            .collect();
        let count = due.iter().map(Vec::len).sum::<usize>();
        if count == 0 {
            return;
        }
        if session > 1 {
            summary.repeated += count;
            let what = format!("repeating {count} cases, because the machine was late");
            report(Event::Note(format!("{}: {what}", platform.name)));
        }
        thread::scope(|scope| {
            let (sender, events) = channel();
            for (agent, cases) in agents.iter().zip(due).filter(|(_, cases)| !cases.is_empty()) {
                let sender = sender.clone();
                // An agent that the kernel and the reference share has the reference, which comes last: cases of the
                // kernel have no steps for an implementation.
                let prepared = agent.iter().map(|index| &prepared[*index]).next_back();
                scope.spawn(move || {
                    // The receiver exists until all threads have ended.
                    let notify = |event| drop(sender.send((agent, event)));
                    let prepared = prepared.expect("every agent has an implementation");
                    run_session(platform, prepared, cases, settings, &notify);
                });
            }
            drop(sender);
            for (agent, event) in events {
                on_event(event, agent, &mut collectors, summary, report);
            }
        });
    }
}

/// The implementations of each agent, by index and in order. Each implementation gets an agent of its own; but where
/// every agent costs a machine, the kernel and the reference share one.
fn assign_agents(prepared: &[Result<Prepared, String>], shared: bool) -> Vec<Vec<usize>> {
    let ours = |prepared: &Result<Prepared, String>| {
        prepared
            .as_ref()
            .is_ok_and(|prepared| match prepared.implementation {
                Implementation::Kernel | Implementation::Reference { .. } => true,
                Implementation::External(_) | Implementation::Target(_) => false,
            })
    };
    let mut agents: Vec<Vec<usize>> = Vec::new();
    for (index, each) in prepared.iter().enumerate() {
        let partner = agents
            .iter_mut()
            .find(|agent| shared && ours(each) && agent.iter().all(|other| ours(&prepared[*other])));
        match partner {
            Some(agent) => agent.push(index),
            None => agents.push(vec![index]),
        }
    }
    agents
}

/// Handles an event of a session, and reports the events that follow from it.
fn on_event(
    event: SessionEvent,
    agent: &[usize],
    collectors: &mut [Collector<'_, '_>],
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    let platform = &collectors[agent[0]].platform.name;
    match event {
        SessionEvent::Hello(hello) => {
            report(Event::PlatformReady {
                platform,
                hello: &hello,
            });
            for index in agent {
                collectors[*index].hello = Some((*hello).clone());
            }
        }
        SessionEvent::Note(note) => report(Event::Note(format!("{platform}: {note}"))),
        SessionEvent::Finished(finished) => {
            let is_its = |index: &&usize| collectors[**index].has(&finished.key);
            if let Some(index) = agent.iter().find(is_its) {
                collectors[*index].finished(*finished, summary, report);
            }
        }
    }
}

/// [`Progress`] of a session, owned so that it can be sent to the collectors' thread.
enum SessionEvent {
    Hello(Box<Hello>),
    Note(String),
    Finished(Box<Finished>),
}

fn run_session(
    platform: &Platform,
    prepared: &Result<Prepared, String>,
    mut cases: Vec<&Case>,
    settings: &Settings<'_>,
    notify: &dyn Fn(SessionEvent),
) {
    // The longest waits first, so that the run ends soon after the longest wait.
    cases.sort_by_key(|case| Reverse(case.steps.waits()));
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            for case in cases {
                notify(SessionEvent::Finished(Box::new(broken(&case.key, reason))));
            }
            return;
        }
    };
    let session = Session {
        starter: &*platform.starter,
        jobs: match &prepared.implementation {
            // A target may have a single process.
            Implementation::Target(_) if settings.jobs == 0 => 1,
            Implementation::Target(_)
            | Implementation::External(_)
            | Implementation::Kernel
            | Implementation::Reference { .. } => settings.jobs,
        },
        implementation: prepared.implementation.clone(),
        program: &prepared.program,
        capture: settings.capture.is_some(),
    };
    session.run(&cases, &mut |progress| {
        notify(match progress {
            Progress::Hello(hello) => SessionEvent::Hello(Box::new(hello.clone())),
            Progress::Note(note) => SessionEvent::Note(note),
            Progress::Finished(finished) => SessionEvent::Finished(Box::new(finished)),
        });
    });
}

/// An implementation that an agent can start.
struct Prepared {
    /// What the agent needs.
    implementation: Implementation,
    /// The profile, if it has one.
    profiled: Option<implementations::ProfiledImplementation>,
    /// The program, if the agent runs in a guest and must receive it; else empty.
    program: Vec<u8>,
}

impl Prepared {
    fn without_profile(implementation: Implementation) -> Self {
        Self {
            implementation,
            profiled: None,
            program: Vec::new(),
        }
    }
}

/// Prepares an implementation for agents on a platform, which is a machine for programs of `target` if that is given.
///
/// # Errors
/// Why it cannot be started.
fn prepare(
    name: &str,
    settings: &Settings<'_>,
    platform: &str,
    target: Option<&str>,
) -> Result<Prepared, String> {
    match name {
        KERNEL => Ok(Prepared::without_profile(Implementation::Kernel)),
        REFERENCE => {
            let fault = settings.fault.clone();
            Ok(Prepared::without_profile(Implementation::Reference { fault }))
        }
        TARGET => {
            let target = settings.target.clone().ok_or("no --target was given")?;
            Ok(Prepared::without_profile(Implementation::Target(target)))
        }
        name => {
            let found = implementations::find(settings.root, name).map_err(|error| with_causes(&error))?;
            let found = found.ok_or_else(|| format!("the implementation `{name}` has no profile"))?;
            let external = match target {
                Some(target) => found.for_guest(target),
                None => found.external().map(|external| (external, Vec::new())),
            };
            let (mut external, program) = external.map_err(|error| with_causes(&error))?;
            if target.is_none() && platform != HOST {
                // A machine reached by ssh has none of this machine's programs, and an emulated CPU would not run them.
                let reason = format!("{name} runs only on this machine and in guests, not on {platform}");
                external.missing.get_or_insert(reason);
            }
            Ok(Prepared {
                implementation: Implementation::External(Box::new(external)),
                profiled: Some(found),
                program,
            })
        }
    }
}

/// The release that the head of a table names. Reports a note if it is unknown, but not if the implementation is not
/// installed: then each of its cases reports that.
fn release(
    profiled: &implementations::ProfiledImplementation,
    report: &mut dyn FnMut(Event<'_>),
) -> Option<String> {
    let release = profiled.release();
    if let (Err(reason), None) = (&release, profiled.missing()) {
        let name = &profiled.name;
        report(Event::Note(format!("{name}: its release is unknown: {reason}")));
    }
    release.ok()
}

/// The error and its causes on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The name of the platform that is this machine.
pub const HOST: &str = "host";

/// Runs a plan on the platforms, one after the other.
pub fn run(
    platforms: &[Platform],
    work: &[(String, Vec<ScenarioCases<'_>>)],
    settings: &Settings<'_>,
    report: &mut dyn FnMut(Event<'_>),
) -> Summary {
    let started = Instant::now();
    let chosen = || work.iter().flat_map(|(_, cases)| cases);
    let cases = chosen().map(|each| each.cases.len()).sum::<usize>() * platforms.len();
    let scenarios = chosen().count() * platforms.len();
    report(Event::RunStarted { cases, scenarios });
    let mut summary = Summary::default();
    for platform in platforms {
        let work: Vec<_> = work
            .iter()
            .map(|(implementation, cases)| (implementation.as_str(), cases.as_slice()))
            .collect();
        run_platform(platform, &work, settings, &mut summary, report);
    }
    summary.elapsed = started.elapsed();
    report(Event::RunFinished(&summary));
    summary
}
