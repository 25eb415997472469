//! The commands, one per file. Each returns the exit status.

mod accept;
mod adapter_check;
mod check;
mod diff;
mod doctor;
mod exec;
mod explain;
mod export;
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
use crate::implementations::{find_folder, use_folder};
use crate::library::{self, Library, LibraryError};
use crate::run::with_causes;

/// Executes the command and returns the exit status.
pub fn dispatch(arguments: &Arguments) -> i32 {
    if let Some(folder) = &arguments.implementations {
        use_folder(folder);
    }
    note_missing_implementations(arguments);
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
        Command::AdapterCheck { command } => adapter_check::adapter_check(command),
        Command::Export { folder } => export::export(folder),
        Command::Faults => faults::faults(),
        Command::Implementations { deviations } => match root(arguments) {
            Ok(root) => implementations::implementations(&root, *deviations),
            Err(error) => Ok(library_error(&error)),
        },
    };
    match status {
        Ok(status) => status,
        // The reader of our output, such as `head`, has closed it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::AS_EXPECTED,
        Err(error) => wrong_input(&error),
    }
}

/// Prints a note if the command needs the implementations' profiles and there is no folder with them.
fn note_missing_implementations(arguments: &Arguments) {
    let needs_profiles = match arguments.command {
        Command::Run(_)
        | Command::Accept(_)
        | Command::Diff(_)
        | Command::Doctor
        | Command::Implementations { .. } => true,
        Command::List(_)
        | Command::Check { .. }
        | Command::Explain { .. }
        | Command::Fetch { .. }
        | Command::Image(_)
        | Command::Platforms { .. }
        | Command::Exec(_)
        | Command::AdapterCheck { .. }
        | Command::Export { .. }
        | Command::Faults
        | Command::Completions { .. }
        | Command::Manual
        | Command::Agent => false,
    };
    if let (true, Ok(root)) = (needs_profiles, root(arguments))
        && let Err(note) = find_folder(&root)
    {
        let _ = writeln!(anstream::stderr(), "note: {note}");
    }
}

fn root(arguments: &Arguments) -> Result<PathBuf, LibraryError> {
    library::find_root(arguments.scenarios.as_deref())
}

fn with_library(arguments: &Arguments, command: impl FnOnce(&Library) -> io::Result<i32>) -> io::Result<i32> {
    match root(arguments).and_then(|root| Library::load(&root)) {
        Ok(library) => command(&library),
        Err(error) => Ok(library_error(&error)),
    }
}

/// Prints the mistakes with their lines and returns the status for wrong input.
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
