//! The rules of the repository. Each violation has a file, a line and the way out; `cargo test` runs them all.
//!
//! | module | owns |
//! |---|---|
//! | this one | the walk over the repository's files, and what may stand at the top level |
//! | [`source`] | rules for one Rust file: header, length, purity, `cfg(target_os)`, ignored tests |
//! | [`cycles`] | no cycle of modules inside a crate |
//! | [`retired`] | names that have been replaced do not come back |
//! | [`scenario`] | length and width of a scenario file |
//!
//! They are tests and no lints of clippy's, because a lint cannot see two files or a TOML key.

mod cycles;
mod retired;
mod scenario;
mod source;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// The file, below the repository's root.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// A violation in a file that the caller knows: the line, from 1, and the message.
type InFile = (usize, String);

/// Crates of which no two modules may depend on each other.
const ACYCLIC: [&str; 2] = ["harness/core/src", "harness/agent/src"];
/// The folders that are checked.
const FOLDERS: [&str; 4] = ["harness", "platforms", "scenarios", "ci"];
/// What may stand beside them at the top level, apart from hidden files.
const TOP_LEVEL: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "rust-toolchain.toml",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "target",
];

/// Returns every violation in the repository at `root`.
///
/// # Errors
/// When a folder or a Rust source cannot be read, or a source is not Rust.
pub fn check(root: &Path) -> io::Result<Vec<Violation>> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        find_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut violations = top_level(root)?;
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
        let extension = name
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let found = match extension.as_str() {
            "rs" => {
                let text = fs::read_to_string(&file)?;
                let mut found = source::check(&name, &text);
                found.extend(retired::in_source(&text).map_err(|error| at(&name, &error))?);
                found
            }
            "toml" => {
                let text = fs::read_to_string(&file)?;
                let mut found = retired::in_toml(&text).map_err(|error| at(&name, &error))?;
                if name.starts_with("scenarios") {
                    found.extend(scenario::check(&text));
                }
                found
            }
            _ => Vec::new(),
        };
        let in_this_file = |(line, message)| Violation {
            file: name.clone(),
            line,
            message,
        };
        violations.extend(found.into_iter().map(in_this_file));
    }
    for folder in ACYCLIC {
        for cycle in cycles::check(&root.join(folder))? {
            violations.push(Violation {
                file: folder.into(),
                line: 1,
                message: cycle,
            });
        }
    }
    Ok(violations)
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_output = path
            .file_name()
            .is_some_and(|name| name == "target" || name == "node_modules");
        match path.is_dir() {
            true if is_output => {}
            true => find_files(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn top_level(root: &Path) -> io::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_known = FOLDERS.contains(&name.as_str()) || TOP_LEVEL.contains(&name.as_str());
        if !name.starts_with('.') && !is_known {
            violations.push(Violation {
                file: name.into(),
                line: 1,
                message: "does not belong at the top level; see harness/ARCHITECTURE.md".to_owned(),
            });
        }
    }
    Ok(violations)
}
