//! The commands, one a file. Each returns the exit status.

mod accept;
mod check;
mod diff;
mod doctor;
mod exec;
mod explain;
mod faults;
mod fetch;
mod image;
mod implementations;
mod list;
mod manual;
mod platforms;
mod run;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::arguments::{Arguments, Command};
use crate::exit;
use crate::library::{self, Library, LibraryError};
use crate::run::with_causes;

/// Carries out what was typed.
pub fn dispatch(arguments: &Arguments) -> i32 {
    let status = match &arguments.command {
        Command::Agent => return reusespec_agent::main(),
        Command::Run(options) => with_library(arguments, |library| run::run(library, options)),
        Command::List(options) => with_library(arguments, |library| list::list(library, options)),
        Command::Explain { topic } => with_library(arguments, |library| explain::explain(library, topic)),
        Command::Exec(options) => exec::exec(options),
        Command::Check { files } => check::check(&root(arguments), files),
        Command::Diff(options) => with_library(arguments, |library| diff::diff(library, options)),
        Command::Platforms { platform: None } => platforms::all(),
        Command::Platforms { platform: Some(name) } => platforms::one(name),
        Command::Accept(options) => with_library(arguments, |library| accept::accept(library, options)),
        Command::Fetch { platforms } => fetch::fetch(platforms),
        Command::Image(options) => image::image(options),
        Command::Doctor => doctor::doctor(root(arguments).ok().as_deref()),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Manual => manual::manual(),
        Command::Faults => faults::faults(),
        Command::Implementations { deviations } => match root(arguments) {
            Ok(root) => implementations::implementations(&root, *deviations),
            Err(error) => Ok(library_error(&error)),
        },
    };
    match status {
        Ok(status) => status,
        // Whoever reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::AS_EXPECTED,
        Err(error) => wrong_input(&error),
    }
}

fn root(arguments: &Arguments) -> Result<PathBuf, LibraryError> {
    library::find_root(arguments.scenarios.as_deref())
}

fn with_library(arguments: &Arguments, act: impl FnOnce(&Library) -> io::Result<i32>) -> io::Result<i32> {
    match root(arguments).and_then(|root| Library::load(&root)) {
        Ok(library) => act(&library),
        Err(error) => Ok(library_error(&error)),
    }
}

/// Prints mistakes with their lines, and returns the status for wrong input.
fn library_error(error: &LibraryError) -> i32 {
    let mut stderr = anstream::stderr();
    if let LibraryError::Mistakes(complaints) = error {
        for complaint in complaints {
            let _ = writeln!(stderr, "{}", complaint.render(true));
        }
    }
    wrong_input(error)
}

/// Prints `error: …` and returns the status for wrong input.
fn wrong_input(error: &dyn std::error::Error) -> i32 {
    let _ = writeln!(anstream::stderr(), "error: {}", with_causes(error));
    exit::WRONG_INPUT
}
