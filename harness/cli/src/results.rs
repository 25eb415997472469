//! Reads the lines of `run --format json` from a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reusespec_core::results::{CaseLine, Line};

/// A file does not contain the lines of a run.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line is not JSON, or lacks a key.
    #[error("{path}:{line}: not a line of `run --format json`")]
    NotALine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with the line.
        source: serde_json::Error,
    },
}

/// The cases of a file, in its order.
///
/// # Errors
/// When the file does not contain the lines of a run.
pub fn read(path: &Path) -> Result<Vec<CaseLine>, ResultsError> {
    let text = fs::read_to_string(path).map_err(|source| ResultsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        match Line::parse(line) {
            Ok(Line::Case(case)) => cases.push(*case),
            Ok(Line::Summary(_)) => {}
            Err(source) => {
                return Err(ResultsError::NotALine {
                    path: path.to_owned(),
                    line: index + 1,
                    source,
                });
            }
        }
    }
    Ok(cases)
}
