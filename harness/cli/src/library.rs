//! Scenario files and snapshots on disk.
//!
//! A snapshot is an insta file: a head between two `---` lines, then the table. It is read here without
//! insta, because the command has to judge runs on machines where nobody has cargo.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reusespec_core::table::Table;
use reusespec_core::{Complaint, NamedAxes, Scenario};

/// The file of a scenarios folder that defines named axes. It is no scenario.
const AXES_FILE: &str = "axes.toml";

/// The scenario files of a folder.
#[derive(Debug)]
pub struct Library {
    /// The folder with one folder per family.
    pub root: PathBuf,
    /// Every scenario, ordered by id.
    pub scenarios: Vec<Scenario>,
}

/// Why the scenarios cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is no such folder.
    #[error("no folder `scenarios` here or above; name one with --scenarios")]
    NoFolder,
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Files with mistakes in them.
    #[error("{} in the scenarios", count(.0.len(), "mistake"))]
    Mistakes(Vec<Complaint>),
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// The folder of scenarios: the named one, or `scenarios` here or in a folder above.
///
/// # Errors
/// When none is found.
pub fn find_root(named: Option<&Path>) -> Result<PathBuf, LibraryError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let is_root = |folder: &PathBuf| folder.join("port-reuse").is_dir();
    here.ancestors()
        .map(|folder| folder.join("scenarios"))
        .find(is_root)
        .ok_or(LibraryError::NoFolder)
}

impl Library {
    /// Reads every scenario below the folder.
    ///
    /// # Errors
    /// All mistakes of all files at once.
    pub fn load(root: &Path) -> Result<Self, LibraryError> {
        let mut files = Vec::new();
        find_files(root, &mut files)?;
        files.sort();
        let (axes_file, bytes) = read_axes(root)?;
        let named = NamedAxes::parse(&axes_file, &bytes)
            .map_err(|complaint| LibraryError::Mistakes(vec![*complaint]))?;
        let mut scenarios = Vec::new();
        let mut mistakes = Vec::new();
        for file in files {
            match load_with(root, &file, &named)? {
                Ok(scenario) => scenarios.push(scenario),
                Err(complaints) => mistakes.extend(complaints),
            }
        }
        if mistakes.is_empty() {
            Ok(Self {
                root: root.to_owned(),
                scenarios,
            })
        } else {
            Err(LibraryError::Mistakes(mistakes))
        }
    }
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), LibraryError> {
    let unreadable = |source| LibraryError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let is_other =
            ["src", "tests", "snapshots", "target", "Cargo.toml", AXES_FILE].contains(&name.as_str());
        if path.is_dir() && !is_other {
            find_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") && !is_other {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads one scenario of the folder.
///
/// # Errors
/// When the file cannot be read; the inner result has the mistakes in it.
pub fn load_file(root: &Path, file: &Path) -> Result<Result<Scenario, Vec<Complaint>>, LibraryError> {
    let (axes_file, bytes) = read_axes(root)?;
    match NamedAxes::parse(&axes_file, &bytes) {
        Ok(named) => load_with(root, file, &named),
        Err(complaint) => Ok(Err(vec![*complaint])),
    }
}

fn load_with(
    root: &Path,
    file: &Path,
    named: &NamedAxes<'_>,
) -> Result<Result<Scenario, Vec<Complaint>>, LibraryError> {
    let bytes = read(file)?;
    let id = id_of(root, file);
    Ok(Scenario::parse_with(
        &id,
        &file.display().to_string(),
        &bytes,
        named,
    ))
}

/// The path and the bytes of the definitions of named axes; no bytes where the folder has no such file.
fn read_axes(root: &Path) -> Result<(String, Vec<u8>), LibraryError> {
    let path = root.join(AXES_FILE);
    let bytes = if path.exists() { read(&path)? } else { Vec::new() };
    Ok((path.display().to_string(), bytes))
}

fn read(path: &Path) -> Result<Vec<u8>, LibraryError> {
    fs::read(path).map_err(|source| LibraryError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The id of a file: its path below the folder, without the extension.
///
/// A file outside the folder is named by its own folder and name, so that `check` works anywhere.
pub fn id_of(root: &Path, file: &Path) -> String {
    let absolute = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (root, file) = (absolute(root), absolute(file));
    let below = file.strip_prefix(&root).map(Path::to_owned).unwrap_or_else(|_| {
        let parts: Vec<_> = file.components().rev().take(2).collect();
        parts.into_iter().rev().collect()
    });
    let parts: Vec<_> = below
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/")
}

/// The file of a scenario's snapshot; `key` is a platform, or a platform and an implementation.
pub fn snapshot_path(root: &Path, scenario: &str, key: &str) -> PathBuf {
    let (folder, name) = scenario.rsplit_once('/').unwrap_or(("", scenario));
    root.join(folder)
        .join("snapshots")
        .join(format!("{name}@{key}.snap"))
}

/// The table in an insta file, without its head.
pub fn read_snapshot(path: &Path) -> Option<Table> {
    let text = fs::read_to_string(path).ok()?;
    let body = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .map(|(_, body)| body);
    Table::parse(body.unwrap_or(&text))
}

/// The most particular snapshot there is for one of the keys, most particular first.
pub fn find_snapshot(root: &Path, scenario: &str, keys: &[String]) -> Option<(String, Table)> {
    keys.iter().find_map(|key| {
        let table = read_snapshot(&snapshot_path(root, scenario, key))?;
        Some((key.clone(), table))
    })
}
