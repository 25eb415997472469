//! `reusespec check`: prints every mistake in the files, or the number of scenarios, cases and claims.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::library_error;
use crate::exit;
use crate::library::{Library, LibraryError, load_file};

pub(super) fn check(root: &Result<PathBuf, LibraryError>, files: &[PathBuf]) -> io::Result<i32> {
    let root = match (root, files.is_empty()) {
        (Ok(root), _) => root.clone(),
        // Named files need no folder of scenarios.
        (Err(_), false) => PathBuf::from("."),
        (Err(error), true) => return Ok(library_error(error)),
    };
    let checked = if files.is_empty() {
        Library::load(&root)
    } else {
        check_files(&root, files)
    };
    match checked {
        Ok(library) => {
            let cases: usize = library
                .scenarios
                .iter()
                .map(|scenario| scenario.cases.len())
                .sum();
            let claims: usize = library
                .scenarios
                .iter()
                .map(|scenario| scenario.claims.len())
                .sum();
            let scenarios = library.scenarios.len();
            writeln!(
                anstream::stdout(),
                "{scenarios} scenarios, {cases} cases, {claims} claims: no mistakes"
            )?;
            Ok(exit::AS_EXPECTED)
        }
        Err(error) => Ok(library_error(&error)),
    }
}

fn check_files(root: &Path, files: &[PathBuf]) -> Result<Library, LibraryError> {
    let mut scenarios = Vec::new();
    let mut mistakes = Vec::new();
    for file in files {
        match load_file(root, file)? {
            Ok(scenario) => scenarios.push(scenario),
            Err(complaints) => mistakes.extend(complaints),
        }
    }
    if mistakes.is_empty() {
        Ok(Library {
            root: root.to_owned(),
            scenarios,
        })
    } else {
        Err(LibraryError::Mistakes(mistakes))
    }
}
