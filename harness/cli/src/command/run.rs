//! `reusespec run`.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use reusespec_platforms::AgentCommand;

use super::wrong_input;
use crate::arguments::{Format, Run};
use crate::event::Event;
use crate::library::Library;
use crate::plan::{PlanError, Selection, plan};
use crate::report::Reporter;
use crate::report::json::JsonReporter;
use crate::report::junit::JunitReporter;
use crate::report::terminal::TerminalReporter;
use crate::run::{HOST, Platform, Settings};
use crate::session::INTERRUPTED;

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("unknown fault `{0}`; `reusespec faults` prints them all")]
    UnknownFault(String),
    #[error("unknown platform `{0}`; `reusespec platforms` prints them all")]
    UnknownPlatform(String),
}

/// This machine, with this program as the agent.
pub(super) fn host() -> io::Result<Platform> {
    let program = std::env::current_exe()?.into_os_string();
    let agent = AgentCommand {
        program,
        arguments: vec!["agent".into()],
    };
    Ok(Platform {
        name: HOST.to_owned(),
        agent,
        deviations: Vec::new(),
    })
}

pub(super) fn run(library: &Library, options: &Run) -> io::Result<i32> {
    match checked(library, options) {
        Ok(()) => {}
        Err(error) => return Ok(wrong_input(&error)),
    }
    // A second Ctrl-C while reports are written is not an emergency either: everything has a time limit.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let work = match plan(&library.scenarios, &selection(options)) {
        Ok(work) => work,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let platforms = [host()?];
    let settings = Settings {
        root: &library.root,
        jobs: options.jobs,
        fault: options.fault.clone(),
    };
    let mut reporters = reporters(options, &library.root);
    let mut trouble = None;
    let summary = crate::run::run(&platforms, &work, &settings, &mut |event: Event<'_>| {
        for reporter in &mut reporters {
            if let Err(error) = reporter.hear(&event) {
                trouble.get_or_insert(error);
            }
        }
    });
    match trouble {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Ok(wrong_input(&error)),
        _ => Ok(summary.exit_status()),
    }
}

fn checked(library: &Library, options: &Run) -> Result<(), RunError> {
    plan(&library.scenarios, &selection(options))?;
    if let Some(unknown) = options.platforms.iter().find(|name| *name != HOST) {
        return Err(RunError::UnknownPlatform(unknown.clone()));
    }
    match &options.fault {
        Some(fault) if !crate::faults::all().iter().any(|known| known.note.name == fault) => {
            Err(RunError::UnknownFault(fault.clone()))
        }
        _ => Ok(()),
    }
}

fn selection(options: &Run) -> Selection {
    Selection {
        filters: options.filters.clone(),
        points: options.points.clone(),
        implementations: options.implementations.clone(),
    }
}

fn reporters(options: &Run, root: &Path) -> Vec<Box<dyn Reporter>> {
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    match options.format {
        Format::Terminal => reporters.push(Box::new(TerminalReporter::new(root))),
        Format::Json => reporters.push(Box::new(JsonReporter::new(io::stdout()))),
    }
    if let Some(file) = &options.junit {
        reporters.push(Box::new(JunitReporter::new(file)));
    }
    reporters
}
