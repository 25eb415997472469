//! Scenario files and snapshots on disk.
//!
//! A snapshot is an insta file: insta's metadata between two `---` lines, then the table. This module reads it without
//! insta, because the command also judges runs on machines that have no cargo.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reusespec_core::table::Table;
use reusespec_core::{Complaint, NamedAxes, Scenario, SnapshotKey};
use reusespec_platforms::carried::{self, CarriedError};

/// The file of a scenarios folder that defines named axes. It is no scenario.
const AXES_FILE: &str = "axes.toml";

/// The scenario files of a folder.
#[derive(Debug)]
pub struct Library {
    /// The folder that has a folder for each family.
    pub root: PathBuf,
    /// All scenarios, ordered by id.
    pub scenarios: Vec<Scenario>,
}

/// Why the scenarios cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is no such folder.
    #[error("no folder `scenarios` here or above, and this program carries none; name one with --scenarios")]
    NoFolder,
    /// The scenarios that the program carries cannot be used.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Scenario files contain mistakes.
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

/// The folder of scenarios: the given one; else `scenarios` in the working directory or in a folder above it; else the one
/// that the program carries.
///
/// # Errors
/// When there is none, or the carried one cannot be unpacked.
pub fn find_root(named: Option<&Path>) -> Result<PathBuf, LibraryError> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let is_root = |folder: &PathBuf| folder.join("port-reuse").is_dir();
    let above = here
        .ancestors()
        .map(|folder| folder.join("scenarios"))
        .find(is_root);
    match above {
        Some(folder) => Ok(folder),
        None => match carried::folder()? {
            Some(folder) => Ok(folder.join("scenarios")),
            None => Err(LibraryError::NoFolder),
        },
    }
}

impl Library {
    /// Reads every scenario below the folder.
    ///
    /// # Errors
    /// When a file or folder cannot be read, or with all mistakes of all files.
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

/// Reads one scenario file.
///
/// # Errors
/// When the file cannot be read. The inner result has the mistakes in the file.
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
/// For a file outside the folder the id is the name of its own folder and its name, so that `check` works on any file.
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

/// Where the snapshot of this key is.
pub fn snapshot_path(root: &Path, key: &SnapshotKey) -> PathBuf {
    root.join(key.path())
}

/// The table of a snapshot. `None` if there is no such file, or if it does not contain a table.
pub fn read_snapshot(path: &Path) -> Option<Table> {
    let text = fs::read_to_string(path).ok()?;
    let (_, table) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    Table::parse(table)
}

/// The first snapshot that exists of these keys, which stand in the order of [`SnapshotKey::look_up_order`].
pub fn find_snapshot(root: &Path, keys: &[SnapshotKey]) -> Option<(SnapshotKey, Table)> {
    keys.iter().find_map(|key| {
        let table = read_snapshot(&snapshot_path(root, key))?;
        Some((key.clone(), table))
    })
}
