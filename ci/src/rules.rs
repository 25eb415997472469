//! Rules of the repository, as messages with file and line. `cargo test` runs them.
//!
//! One function a rule, so that its wording and its reason are in one place.

use std::fs;
use std::path::{Path, PathBuf};

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    /// File below the repository.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong and what to do instead.
    pub what: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

const LONGEST_SCENARIO_LINES: usize = 60;
const LONGEST_SOURCE_LINES: usize = 460;
/// Crates that do no I/O and know no clock.
const PURE: [&str; 2] = ["harness/core/src", "harness/wire/src"];
/// Crates that may tell systems apart; everywhere else a difference is a line of data.
const KNOWS_SYSTEMS: [&str; 3] = ["harness/agent", "harness/reference", "platforms"];

/// Every breach in the repository at `root`.
///
/// # Errors
/// When a file cannot be read.
pub fn check(root: &Path) -> std::io::Result<Vec<Breach>> {
    let mut files = Vec::new();
    for folder in ["harness", "platforms", "scenarios", "ci"] {
        find(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut breaches = top_level(root)?;
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
        let at = |(line, what): (usize, String)| Breach {
            file: name.clone(),
            line,
            what,
        };
        if name.extension().is_some_and(|extension| extension == "rs") {
            breaches.extend(source(&name, &text).into_iter().map(at));
        } else if name.starts_with("scenarios") && name.extension().is_some_and(|end| end == "toml") {
            breaches.extend(scenario(&text).into_iter().map(at));
        }
    }
    Ok(breaches)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let skipped = path
            .file_name()
            .is_some_and(|name| name == "target" || name == "node_modules");
        match path.is_dir() {
            true if !skipped => find(&path, files)?,
            true => {}
            false => files.push(path),
        }
    }
    Ok(())
}

/// Six names stand at the top, and files of the tools.
fn top_level(root: &Path) -> std::io::Result<Vec<Breach>> {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "harness",
        "scenarios",
        "platforms",
        "ci",
        "README.md",
    ];
    let known_too = [
        "rust-toolchain.toml",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "target",
    ];
    let mut breaches = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !known.contains(&name.as_str()) && !known_too.contains(&name.as_str()) {
            let what = "does not belong at the top level; see harness/ARCHITECTURE.md".to_owned();
            breaches.push(Breach {
                file: name.into(),
                line: 1,
                what,
            });
        }
    }
    Ok(breaches)
}

fn source(name: &Path, text: &str) -> Vec<(usize, String)> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push((
            1,
            "has no `//!` header; say what the file is for and what it decides".to_owned(),
        ));
    }
    let lines = text.lines().count();
    if lines > LONGEST_SOURCE_LINES {
        breaches.push((
            lines,
            format!("is {lines} lines long; split it, at most {LONGEST_SOURCE_LINES}"),
        ));
    }
    let pure = PURE.iter().any(|folder| name.starts_with(folder));
    let may_know = KNOWS_SYSTEMS.iter().any(|folder| name.starts_with(folder));
    let is_this = name.ends_with("rules.rs");
    for (index, line) in text.lines().enumerate().filter(|_| !is_this) {
        for word in [
            "std::fs",
            "std::process",
            "std::thread",
            "Instant",
            "SystemTime",
            "TcpStream",
            "UdpSocket",
        ] {
            if pure && !line.trim_start().starts_with("//") && line.contains(word) {
                breaches.push((
                    index + 1,
                    format!("`{word}` in a pure crate; make it a parameter"),
                ));
            }
        }
        if !may_know && line.contains("cfg") && line.contains("target_os") {
            breaches.push((
                index + 1,
                "tells systems apart; put the difference into data".to_owned(),
            ));
        }
        if line.contains("#[ignore") {
            breaches.push((
                index + 1,
                "an ignored test tests nothing; record today's behaviour".to_owned(),
            ));
        }
    }
    breaches
}

fn scenario(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().count();
    let too_long = lines > LONGEST_SCENARIO_LINES;
    let what =
        format!("is {lines} lines long; a scenario is one behaviour, at most {LONGEST_SCENARIO_LINES}");
    too_long.then_some((lines, what)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(name: &str, text: &str) -> Vec<String> {
        source(Path::new(name), text)
            .into_iter()
            .map(|(line, what)| format!("{line}: {what}"))
            .collect()
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_found() {
        let text = "//! A file.\nuse std::time::Instant;\n";
        assert_eq!(
            breaches("harness/core/src/a.rs", text),
            ["2: `Instant` in a pure crate; make it a parameter"]
        );
        assert!(breaches("harness/agent/src/a.rs", text).is_empty());
    }

    #[test]
    fn a_difference_between_systems_outside_its_crates_is_found() {
        let text = "//! A file.\n#[cfg(target_os = \"linux\")]\n";
        assert_eq!(breaches("harness/cli/src/a.rs", text).len(), 1);
        assert!(breaches("platforms/src/a.rs", text).is_empty());
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(breaches("ci/src/a.rs", "fn main() {}\n").len(), 1);
    }
}
