//! Sessions → verdicts → events. Who runs where and side by side; what is gathered is `collector`'s business.

mod collector;

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use reusespec_core::protocol::{Finished, Hello, Implementation, Target};
use reusespec_core::{Case, Deviation};
use reusespec_platforms::Starter;

use crate::event::{Event, Summary};
use crate::implementations;
use crate::plan::{KERNEL, Portion, REFERENCE, TARGET};
use crate::session::{Progress, Session, broken};
use collector::Collector;

/// Where cases run.
pub struct Platform {
    /// Its name in reports.
    pub name: String,
    /// Starts its agents.
    pub starter: Box<dyn Starter>,
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
    /// The application that runs already, for the implementation [`TARGET`].
    pub target: Option<Target>,
    /// Where to keep what was on the wires of cases.
    pub capture: Option<PathBuf>,
}

impl<'s> Settings<'s> {
    /// Everything sound, nothing kept, as many cases at once as the platform has processors.
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

/// Runs the portions of one implementation on one platform and tells what happens.
pub fn run_portions(
    platform: &Platform,
    implementation: &str,
    portions: &[Portion<'_>],
    settings: &Settings<'_>,
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    run_at_once(platform, &[(implementation, portions)], settings, summary, report);
}

/// Runs the portions of several implementations on one platform, an agent each, side by side: their cases
/// mostly wait.
fn run_at_once(
    platform: &Platform,
    work: &[(&str, &[Portion<'_>])],
    settings: &Settings<'_>,
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    let subjects: Vec<_> = work.iter().map(|(name, _)| subject(name, settings)).collect();
    let mut collectors: Vec<_> = work
        .iter()
        .zip(&subjects)
        .map(|((implementation, portions), subject)| {
            let profiled = subject.as_ref().ok().and_then(|(_, profiled)| profiled.as_ref());
            let profiled = profiled.map(|profiled| (profiled, release(profiled, report)));
            Collector::new(platform, implementation, portions, settings, profiled)
        })
        .collect();
    let shared = platform.starter.traits().dedicated_machine;
    let agents = share(&subjects, shared);
    thread::scope(|scope| {
        let (notify, heard) = channel();
        for agent in &agents {
            let notify = notify.clone();
            let portions = agent.iter().flat_map(|index| work[*index].1).collect();
            // The reference answers what is asked of it, and leaves raw system calls alone.
            let subject = agent.iter().map(|index| &subjects[*index]).next_back();
            scope.spawn(move || {
                // Who hears the news outlives this thread.
                let notify = |news| drop(notify.send((agent, news)));
                run_session(
                    platform,
                    subject.expect("no agent without work"),
                    portions,
                    settings,
                    &notify,
                );
            });
        }
        drop(notify);
        for (agent, news) in heard {
            on_event(news, agent, &mut collectors, summary, report);
        }
    });
}

/// Which of the subjects, by index, one agent answers for: each its own, but where an agent costs a machine the kernel
/// and the reference share one. Order is kept.
fn share(subjects: &[Subject], shared: bool) -> Vec<Vec<usize>> {
    let ours = |subject: &Subject| {
        matches!(
            subject,
            Ok((Implementation::Kernel | Implementation::Reference { .. }, _))
        )
    };
    let mut agents: Vec<Vec<usize>> = Vec::new();
    for (index, subject) in subjects.iter().enumerate() {
        let partner = agents
            .iter_mut()
            .find(|agent| shared && ours(subject) && agent.iter().all(|other| ours(&subjects[*other])));
        match partner {
            Some(agent) => agent.push(index),
            None => agents.push(vec![index]),
        }
    }
    agents
}

/// Takes news of an agent and passes on what follows from it.
fn on_event(
    news: News,
    agent: &[usize],
    collectors: &mut [Collector<'_, '_>],
    summary: &mut Summary,
    report: &mut dyn FnMut(Event<'_>),
) {
    let platform = &collectors[agent[0]].platform.name;
    match news {
        News::Hello(hello) => {
            report(Event::PlatformReady {
                platform,
                hello: &hello,
            });
            for index in agent {
                collectors[*index].hello = Some((*hello).clone());
            }
        }
        News::Note(note) => report(Event::Note(format!("{platform}: {note}"))),
        News::Finished(finished) => {
            let is_its = |index: &&usize| collectors[**index].has(&finished.key);
            if let Some(index) = agent.iter().find(is_its) {
                collectors[*index].finished(*finished, summary, report);
            }
        }
    }
}

/// What a session tells across threads.
enum News {
    Hello(Box<Hello>),
    Note(String),
    Finished(Box<Finished>),
}

fn run_session(
    platform: &Platform,
    subject: &Subject,
    portions: Vec<&Portion<'_>>,
    settings: &Settings<'_>,
    notify: &dyn Fn(News),
) {
    let mut cases: Vec<&Case> = portions
        .iter()
        .flat_map(|portion| portion.cases.iter().copied())
        .collect();
    // The longest waits first, so that the run ends soon after the longest.
    cases.sort_by_key(|case| Reverse(case.steps.waits()));
    let answers = match subject {
        Ok((answers, _)) => answers.clone(),
        Err(reason) => {
            for case in cases {
                notify(News::Finished(Box::new(broken(&case.key, reason))));
            }
            return;
        }
    };
    let session = Session {
        starter: &*platform.starter,
        jobs: match (&answers, settings.jobs) {
            // It may have a single process.
            (Implementation::Target(_), 0) => 1,
            (_, jobs) => jobs,
        },
        implementation: answers,
        capture: settings.capture.is_some(),
    };
    session.run(&cases, &mut |progress| {
        notify(match progress {
            Progress::Hello(hello) => News::Hello(Box::new(hello.clone())),
            Progress::Note(note) => News::Note(note),
            Progress::Finished(finished) => News::Finished(Box::new(finished)),
        });
    });
}

/// What answers an implementation's steps, and where it has one its profile; or why it cannot be asked.
type Subject = Result<(Implementation, Option<implementations::Implementation>), String>;

fn subject(name: &str, settings: &Settings<'_>) -> Subject {
    match name {
        KERNEL => Ok((Implementation::Kernel, None)),
        REFERENCE => {
            let fault = settings.fault.clone();
            Ok((Implementation::Reference { fault }, None))
        }
        TARGET => {
            let target = settings.target.clone().ok_or("no --target was given")?;
            Ok((Implementation::Target(target), None))
        }
        name => {
            let found = implementations::find(settings.root, name).map_err(|error| with_causes(&error))?;
            let found = found.ok_or_else(|| format!("the implementation `{name}` has no profile"))?;
            let external = found.external().map_err(|error| with_causes(&error))?;
            Ok((Implementation::External(Box::new(external)), Some(found)))
        }
    }
}

/// The release for the heads of its tables. Where it does not say one no table can name it: that is told, unless it is
/// not there, as each of its cases says then.
fn release(profiled: &implementations::Implementation, report: &mut dyn FnMut(Event<'_>)) -> Option<String> {
    let release = profiled.release();
    if let (Err(reason), None) = (&release, profiled.missing()) {
        let name = &profiled.name;
        report(Event::Note(format!("{name}: its release is unknown: {reason}")));
    }
    release.ok()
}

/// The error and what caused it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The name of the platform that is this machine.
pub const HOST: &str = "host";

/// Names of the snapshots that may hold a kernel's rows, most particular first. For an implementation that is not the
/// scenario's own, those with `+implementation` come before, by [`implementations::names`]: it has a table of its own
/// only where it is not as the one it is like, or as the scenario's own one.
pub fn snapshot_keys(kernels: &[String], names: &[String], own: &str) -> Vec<String> {
    let others = names.iter().filter(|name| *name != own);
    let particular = others.flat_map(|name| kernels.iter().map(move |kernel| format!("{kernel}+{name}")));
    particular.chain(kernels.iter().cloned()).collect()
}

/// What the keys of an implementation's own tables end with: nothing where it is the scenario's own. The first of them is
/// kept under the system's name; one that ends otherwise is a table of another implementation that this one is as.
pub fn own_ending(names: &[String], own: &str) -> String {
    let others = names.first().filter(|name| *name != own);
    others.map_or_else(String::new, |name| format!("+{name}"))
}

/// What a snapshot's head calls that whose rows it holds: the kernel, and the version of an implementation that has
/// one.
pub fn reviewed_as(kernel: &str, version: Option<&str>) -> String {
    let with = version.map(|version| format!(" with {version}"));
    format!("{kernel}{}", with.unwrap_or_default())
}

/// Whether a name of [`reviewed_as`] is of this kernel, whatever ran there.
pub fn is_of_kernel(reviewed: &str, kernel: &str) -> bool {
    let rest = reviewed.strip_prefix(kernel);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" with "))
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
        let work: Vec<_> = work
            .iter()
            .map(|(implementation, portions)| (implementation.as_str(), portions.as_slice()))
            .collect();
        run_at_once(platform, &work, settings, &mut summary, report);
    }
    summary.elapsed = started.elapsed();
    report(Event::RunFinished(&summary));
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_of_its_kernel_whatever_ran_there_and_of_no_other() {
        let with_go = reviewed_as("linux-6.1", Some("go version go1.19.8"));
        assert!(is_of_kernel(&with_go, "linux-6.1"));
        assert!(is_of_kernel("linux-6.1", "linux-6.1"));
        for other in [
            "linux-6.12",
            "linux-6.1-s390x",
            "linux-6.12 with go version go1.19.8",
        ] {
            assert!(!is_of_kernel(other, "linux-6.1"), "{other}");
        }
    }
}
