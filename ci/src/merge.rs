//! Merges the results of many runs into one table with a row for each run, and decides whether all runs were good.
//!
//! The results are the lines of `run --format json`. A job without results has a row too, and is not good.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use reusespec_core::results::{Line, SummaryCounts};

/// A column: its name, and the count in it.
type Column = (&'static str, fn(&SummaryCounts) -> usize);

const COLUMNS: [Column; 8] = [
    ("cases", |counts| counts.cases),
    ("pass", |counts| counts.pass),
    ("fail", |counts| counts.fail),
    ("deviates", |counts| counts.deviates),
    ("unsupported", |counts| counts.unsupported),
    ("broken", |counts| counts.broken),
    ("changed", |counts| counts.changed),
    ("new", |counts| counts.new),
];

/// The summary of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    name: String,
    kernel: String,
    /// The counts, or why there are none.
    counts: Result<SummaryCounts, String>,
}

impl Row {
    /// The run whose lines are in this file. The name of the run is that of the file.
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

    /// A run without results, and why it has none.
    pub(crate) fn missing(name: String, reason: &str) -> Self {
        Self {
            name,
            kernel: String::new(),
            counts: Err(reason.to_owned()),
        }
    }

    fn of_lines(name: String, text: &str) -> Self {
        let (mut kernel, mut counts) = (None, None);
        for (index, line) in text.lines().enumerate() {
            match Line::parse(line) {
                Ok(Line::Case(case)) => kernel = kernel.or(case.kernel),
                Ok(Line::Summary(line)) => counts = Some(line.summary),
                Err(error) => return Self::missing(name, &format!("line {}: {error}", index + 1)),
            }
        }
        Self {
            name,
            kernel: kernel.as_ref().map(ToString::to_string).unwrap_or_default(),
            counts: counts.ok_or_else(|| "it has no summary: the run was cut short".to_owned()),
        }
    }

    /// Whether the run has results, and no case failed, broke or changed its row.
    fn is_good(&self) -> bool {
        let is_good = |counts: &SummaryCounts| counts.fail + counts.broken + counts.changed == 0;
        self.counts.as_ref().is_ok_and(is_good)
    }
}

/// The table in Markdown, and whether every run was good. Jobs that cannot run on this machine are listed below.
pub(crate) fn table(rows: &[Row], left_out: &[Row]) -> (String, bool) {
    let mut text = format!(
        "| run | kernel | {} |\n|---|---|{}\n",
        COLUMNS.map(|(name, _)| name).join(" | "),
        "--:|".repeat(COLUMNS.len())
    );
    for row in rows {
        let cells = match &row.counts {
            Ok(counts) => COLUMNS.map(|(_, count)| count(counts).to_string()).join(" | "),
            Err(reason) => format!("{reason}{}", " |".repeat(COLUMNS.len() - 1)),
        };
        let _ = writeln!(text, "| {} | {} | {cells} |", row.name, row.kernel);
    }
    for row in left_out {
        let reason = row.counts.as_ref().err().map_or("", String::as_str);
        let _ = writeln!(text, "\nleft out: {}: {reason}", row.name);
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

    const CASE: &str = r#"{"scenario":"keepalive/t","case":{},"platform":"p","kernel":"linux-6.1","implementation":"kernel","verdict":"pass","observed":{}}"#;
    const SUMMARY: &str = r#"{"summary":{"cases":2,"pass":1,"unsupported":1}}"#;

    fn good() -> String {
        format!("{CASE}\n{SUMMARY}")
    }

    #[test]
    fn each_run_has_a_row() {
        let rows = [
            row("linux-6.1-keepalive", &good()),
            row("linux-7-keepalive", CASE),
            row("linux-8-keepalive", &CASE[..40]),
        ];
        let left_out = [Row::missing("freebsd-14".to_owned(), "its kernel is not here")];
        insta::assert_snapshot!(table(&rows, &left_out).0);
    }

    #[test]
    fn the_runs_are_good_only_if_each_of_them_is() {
        let bad = |key: &str| row("b", &good().replace("unsupported", key));
        let good = row("a", &good());
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
