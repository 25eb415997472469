//! Many runs as one table: a line a run, and one answer to whether the night was good.
//!
//! The lines are those of `run --format json`. A job that left no file is a line too: what is missing must be seen, and a
//! night in which something is missing is not good.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The columns, which are the keys of the summary.
const COUNTS: [&str; 8] = [
    "cases",
    "pass",
    "fail",
    "deviates",
    "unsupported",
    "broken",
    "changed",
    "new",
];

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    name: String,
    kernel: String,
    counts: Option<[u64; COUNTS.len()]>,
    reason: String,
}

impl Row {
    /// The run whose lines are in this file, named after it.
    pub(crate) fn of_file(path: &Path) -> Self {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .replace(".json", "");
        match fs::read_to_string(path) {
            Ok(text) => Self::of_lines(name, &text),
            Err(error) => Self::missing(name, &error.to_string()),
        }
    }

    /// A run that was not made, and why.
    pub(crate) fn missing(name: String, reason: &str) -> Self {
        Self {
            name,
            kernel: String::new(),
            counts: None,
            reason: reason.to_owned(),
        }
    }

    fn of_lines(name: String, text: &str) -> Self {
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let kernel = lines.iter().find_map(|line| line["kernel"].as_str());
        let Some(summary) = lines.iter().rev().find_map(|line| line.get("summary")) else {
            return Self::missing(name, "it has no summary: the run was cut short");
        };
        Self {
            name,
            kernel: kernel.unwrap_or_default().to_owned(),
            counts: Some(COUNTS.map(|key| summary[key].as_u64().unwrap_or(0))),
            reason: String::new(),
        }
    }

    /// Nothing failed, broke, changed or is missing.
    fn is_good(&self) -> bool {
        let bad = ["fail", "broken", "changed"];
        self.counts.is_some_and(|counts| {
            COUNTS
                .iter()
                .zip(counts)
                .all(|(key, count)| count == 0 || !bad.contains(key))
        })
    }
}

/// The table in Markdown, and whether every run was good. Runs that could not be made here are listed below.
pub(crate) fn table(rows: &[Row], left_out: &[Row]) -> (String, bool) {
    let mut text = format!(
        "| run | kernel | {} |\n|---|---|{}\n",
        COUNTS.join(" | "),
        "--:|".repeat(COUNTS.len())
    );
    for row in rows {
        let cells = match &row.counts {
            Some(counts) => counts.map(|count| count.to_string()).join(" | "),
            None => format!("{}{}", row.reason, " |".repeat(COUNTS.len() - 1)),
        };
        let _ = writeln!(text, "| {} | {} | {cells} |", row.name, row.kernel);
    }
    for row in left_out {
        let _ = writeln!(text, "\nleft out: {}: {}", row.name, row.reason);
    }
    (text, !rows.is_empty() && rows.iter().all(Row::is_good))
}

/// The rows of these results.
pub(crate) fn rows(paths: &[PathBuf]) -> Vec<Row> {
    files(paths).iter().map(|file| Row::of_file(file)).collect()
}

/// The files named, and the `.json` files in the folders named, sorted.
pub(crate) fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        match fs::read_dir(path) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => files.push(path.clone()),
        }
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, text: &str) -> Row {
        Row::of_lines(name.to_owned(), text)
    }

    const GOOD: &str = "{\"kernel\":\"linux-6.1\"}\n{\"summary\":{\"cases\":2,\"pass\":1,\"unsupported\":1}}";

    #[test]
    fn runs_become_lines_of_one_table() {
        let rows = [
            row("linux-6.1-keepalive", GOOD),
            row("linux-7-keepalive", "{\"kernel\":\"linux-7.2\"}\n"),
        ];
        let left_out = [Row::missing("freebsd-14".to_owned(), "its kernel is not here")];
        insta::assert_snapshot!(table(&rows, &left_out).0);
    }

    #[test]
    fn one_bad_run_makes_a_bad_night_and_so_does_none() {
        let good = row("a", GOOD);
        let bad = |key: &str| row("b", &GOOD.replace("unsupported", key));
        assert!(table(std::slice::from_ref(&good), &[]).1);
        for rows in [
            vec![good.clone(), bad("fail")],
            vec![bad("broken")],
            vec![good.clone(), bad("changed")],
            vec![good, row("cut", "")],
            vec![],
        ] {
            assert!(!table(&rows, &[]).1, "{rows:?}");
        }
    }
}
