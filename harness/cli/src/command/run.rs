//! `reusespec run`: checks the arguments, runs the chosen cases and writes the reports.

use std::io;
use std::sync::atomic::Ordering;

use reusespec_core::protocol::Target;

use super::wrong_input;
use crate::arguments::{Format, Run};
use crate::event::Event;
use crate::implementations::{self, ImplementationError};
use crate::library::Library;
use crate::plan::{PlanError, Selection, TARGET, plan};
use crate::platforms::{self, PlatformError};
use crate::report::Reporter;
use crate::report::html::HtmlReporter;
use crate::report::json::JsonReporter;
use crate::report::junit::JunitReporter;
use crate::report::terminal::TerminalReporter;
use crate::run::{Platform, Settings};
use crate::session::INTERRUPTED;

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Implementation(#[from] ImplementationError),
    #[error("unknown fault `{0}`; `reusespec faults` prints them all")]
    UnknownFault(String),
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

pub(super) fn run(library: &Library, options: &Run) -> io::Result<i32> {
    let platforms = match check(library, options) {
        Ok(platforms) => platforms,
        Err(error) => return Ok(wrong_input(&error)),
    };
    // A second Ctrl-C has no further effect: everything that follows the first one has a time limit.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let profiles = match implementations::load(&library.root) {
        Ok(profiles) => profiles,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let work = match plan(&library.scenarios, &selection(options), &profiles) {
        Ok(work) => work,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let settings = Settings {
        root: &library.root,
        jobs: options.jobs,
        fault: options.fault.clone(),
        target: target(options),
        capture: options.capture.clone(),
    };
    let mut reporters = reporters(options);
    let mut trouble = None;
    let summary = crate::run::run(&platforms, &work, &settings, &mut |event: Event<'_>| {
        for reporter in &mut reporters {
            if let Err(error) = reporter.on_event(&event) {
                trouble.get_or_insert(error);
            }
        }
    });
    match trouble {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Ok(wrong_input(&error)),
        _ => Ok(summary.exit_status()),
    }
}

/// Checks all arguments and returns the platforms to run on.
fn check(library: &Library, options: &Run) -> Result<Vec<Platform>, RunError> {
    let profiles = implementations::load(&library.root)?;
    plan(&library.scenarios, &selection(options), &profiles)?;
    let platforms = options
        .platforms
        .iter()
        .map(|name| platforms::find(name, &options.own));
    let platforms = platforms.collect::<Result<_, _>>()?;
    match &options.fault {
        Some(fault) if !crate::faults::all().iter().any(|known| known.note.name == fault) => {
            Err(RunError::UnknownFault(fault.clone()))
        }
        _ => Ok(platforms),
    }
}

fn target(options: &Run) -> Option<Target> {
    let at = options.target.clone()?;
    let script_filename = options.script_filename.clone();
    Some(Target { at, script_filename })
}

fn selection(options: &Run) -> Selection {
    let implementations = match options.target {
        Some(_) => vec![TARGET.to_owned()],
        None => options.implementations.clone(),
    };
    Selection {
        filters: options.filters.clone(),
        points: options.points.clone(),
        implementations,
    }
}

fn reporters(options: &Run) -> Vec<Box<dyn Reporter>> {
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    match options.format {
        Format::Terminal => reporters.push(Box::new(TerminalReporter::default())),
        Format::Json => reporters.push(Box::new(JsonReporter::new(io::stdout()))),
    }
    if let Some(file) = &options.junit {
        reporters.push(Box::new(JunitReporter::new(file)));
    }
    if let Some(folder) = &options.html {
        reporters.push(Box::new(HtmlReporter::new(folder)));
    }
    reporters
}
