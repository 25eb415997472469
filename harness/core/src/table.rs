//! The snapshot of a scenario: one row a case, one column an axis or label, reviewed by people.
//!
//! The head names the kernels whose behaviour the table is known to be. Only they can *change*: a kernel that
//! is not named and differs shows new rows, never a failure, because nobody has looked at it yet. A case that
//! was not observed (unsupported here, broken) keeps the row the table already has: "we could not look" must
//! not overwrite "this is what it does".
//!
//! A cell of several lines, a transcript, is written as `↓` in its row and in full below the table, under the
//! case it belongs to, so that rows stay rows and an exchange reads as one.

use std::fmt;

use crate::case::CaseKey;
use crate::judge::{Judgement, Verdict};
use crate::observation::Observed;
use crate::scenario::Scenario;
use crate::timing::TooLate;

const KERNELS: &str = "kernels   ";
const GAP: &str = "  ";
/// Stands for a cell whose text is below the table.
const BELOW: &str = "↓";
const INDENT: &str = "    ";

/// A snapshot, parsed or freshly made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// `port-reuse/wildcard-then-specific`.
    pub scenario: String,
    /// The kernels it is known to hold for, e.g. `linux-6.18`, sorted.
    pub kernels: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells, a row a case, in the file's order.
    pub rows: Vec<Vec<String>>,
}

/// How a run relates to the snapshot it was compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Every observed row is as it was.
    Same,
    /// Rows differ on a kernel the snapshot names.
    Changed(Vec<RowChange>),
    /// Rows differ, or there is no snapshot, on a kernel nobody has reviewed yet.
    New(Vec<RowChange>),
}

/// Which cases of a scenario a run was of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them: a row the snapshot has beyond them is gone.
    AllCases,
    /// Some of them.
    ChosenCases,
}

/// One row that is not as the snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The axis values of the case.
    pub point: String,
    /// Name of the columns and the cells, old and new; `None` where the row was not there.
    pub was: Option<Vec<String>>,
    /// The row now.
    pub is: Vec<String>,
}

impl Table {
    /// The table of a run of all cases of a scenario.
    pub fn of_run(scenario: &Scenario, judgements: &[&Judgement], kernel: &str) -> Self {
        let axes = scenario.axes.iter().map(|axis| axis.name.clone());
        let mut columns: Vec<_> = axes.chain(scenario.labels.iter().cloned()).collect();
        if scenario.labels.is_empty() {
            columns.push("result".to_owned());
        }
        let rows = judgements
            .iter()
            .map(|judgement| row(scenario, judgement))
            .collect();
        Self {
            scenario: scenario.id.clone(),
            kernels: vec![kernel.to_owned()],
            columns,
            rows,
        }
    }

    /// Reads a rendered table back.
    ///
    /// Cells are found by the columns of the header line, so that a cell may contain single spaces.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let scenario = lines.next()?.strip_prefix("scenario  ")?.to_owned();
        let kernels = lines.next()?.strip_prefix(KERNELS)?;
        let kernels = kernels.split(", ").map(str::to_owned).collect();
        lines.next().filter(|line| line.is_empty())?;
        let header = lines.next()?;
        let starts = column_starts(header);
        let cells = |line: &str| {
            let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
            let cell = |(start, end): (&usize, usize)| {
                line.chars()
                    .take(end)
                    .skip(*start)
                    .collect::<String>()
                    .trim()
                    .to_owned()
            };
            starts.iter().zip(ends).map(cell).collect::<Vec<_>>()
        };
        let columns = cells(header);
        let mut rows: Vec<_> = lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .map(cells)
            .collect();
        let mut below = blocks(lines).into_iter();
        for cell in rows.iter_mut().flatten().filter(|cell| *cell == BELOW) {
            *cell = below.next()?;
        }
        Some(Self {
            scenario,
            kernels,
            columns,
            rows,
        })
    }

    /// Compares a run with the reviewed snapshot, if there is one. A run of chosen cases is compared in those.
    pub fn compare(&self, old: Option<&Self>, judgements: &[&Judgement], scope: Scope) -> Comparison {
        let mut changes = Vec::new();
        for (is, judgement) in self.rows.iter().zip(judgements) {
            if !was_observed(judgement) {
                continue;
            }
            let was = old.and_then(|old| self.row_in(old, &judgement.key));
            if was != Some(is) {
                changes.push(RowChange {
                    point: judgement.key.point(),
                    was: was.cloned(),
                    is: is.clone(),
                });
            }
        }
        let reviewed = old.is_some_and(|old| self.kernels.iter().all(|kernel| old.kernels.contains(kernel)));
        let fewer = |old: &Self| scope == Scope::AllCases && old.rows.len() != self.rows.len();
        let vanished = old.is_some_and(|old| old.columns != self.columns || fewer(old));
        match (changes.is_empty() && !vanished, reviewed) {
            (true, _) if old.is_some() => Comparison::Same,
            (_, true) => Comparison::Changed(changes),
            _ => Comparison::New(changes),
        }
    }

    /// The table to review: this run, with the old rows where this run could not look.
    pub fn merged(&self, old: Option<&Self>, judgements: &[&Judgement]) -> Self {
        let Some(old) = old else { return self.clone() };
        let mut merged = self.clone();
        for (row, judgement) in merged.rows.iter_mut().zip(judgements) {
            if let (false, Some(was)) = (was_observed(judgement), self.row_in(old, &judgement.key)) {
                row.clone_from(was);
            }
        }
        merged.kernels.extend(old.kernels.iter().cloned());
        merged.kernels.sort();
        merged.kernels.dedup();
        merged
    }

    /// `version=1.0,token=close reply`: the short cells before the column, and its name.
    fn block_title(&self, row: &[String], column: usize) -> String {
        let before = self
            .columns
            .iter()
            .zip(row)
            .take(column)
            .filter(|(_, cell)| !cell.contains('\n'));
        let point: Vec<_> = before.map(|(name, cell)| format!("{name}={cell}")).collect();
        format!("{} {}", point.join(","), self.columns[column])
            .trim_start()
            .to_owned()
    }

    fn row_in<'o>(&self, old: &'o Self, key: &CaseKey) -> Option<&'o Vec<String>> {
        if old.columns != self.columns {
            return None;
        }
        old.rows.iter().find(|row| {
            row.iter()
                .zip(&key.values)
                .all(|(cell, (_, value))| cell == value)
        })
    }
}

/// Makes a case `broken` if its row is not the reviewed one and a punctual machine may have shown the reviewed one.
///
/// Judging comes first: a must-claim that fails has already taken the lateness into account, and its case stays `fail`.
/// Without a reviewed row the case is broken if its own cells are ambiguous.
pub fn break_if_late(scenario: &Scenario, reviewed: Option<&Table>, judgement: &mut Judgement) {
    match judgement.verdict {
        Verdict::Pass | Verdict::Deviates => {}
        Verdict::Fail | Verdict::Unsupported | Verdict::Broken => return,
    }
    let now = Table::of_run(scenario, &[judgement], "");
    let row = &now.rows[0];
    let was = reviewed.and_then(|reviewed| now.row_in(reviewed, &judgement.key));
    if was == Some(row) {
        return;
    }
    let doubts = || {
        judgement
            .observed
            .iter()
            .filter_map(|observation| match &observation.seen {
                Observed::Timed(timed) => Some((&observation.label, &timed.doubt)),
                Observed::Word(_) | Observed::Number(_) | Observed::Transcript(_) | Observed::NotReached => {
                    None
                }
            })
    };
    let is_explained = |((label, is), was): ((&String, &String), &String)| {
        is == was || doubts().any(|(doubted, doubt)| doubted == label && doubt.admits(was))
    };
    let in_doubt = doubts().any(|(_, doubt)| doubt.any_cell)
        || match was {
            Some(was) => now.columns.iter().zip(row).zip(was).all(is_explained),
            None => doubts().any(|(_, doubt)| doubt.rounding),
        };
    if in_doubt {
        let late_us = doubts().map(|(_, doubt)| doubt.late_us).max().unwrap_or_default();
        *judgement = Judgement::too_late(&judgement.key, TooLate(late_us));
    }
}

fn was_observed(judgement: &Judgement) -> bool {
    !matches!(judgement.verdict, Verdict::Unsupported | Verdict::Broken)
}

fn row(scenario: &Scenario, judgement: &Judgement) -> Vec<String> {
    let values = judgement.key.values.iter().map(|(_, value)| value.clone());
    let seen = |label: &String| match judgement.observed.iter().find(|each| each.label == *label) {
        Some(observation) => observation.seen.to_string(),
        None if was_observed(judgement) => ".".to_owned(),
        None => judgement.verdict.name().to_owned(),
    };
    let mut cells: Vec<_> = values.chain(scenario.labels.iter().map(seen)).collect();
    if scenario.labels.is_empty() {
        cells.push(judgement.verdict.name().to_owned());
    }
    cells
}

/// The texts below the table, in the order of their cells: a line that is not indented begins one.
fn blocks<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match (line.strip_prefix(INDENT), blocks.last_mut()) {
            (Some(text), Some(block)) => block.push(text),
            _ => blocks.push(Vec::new()),
        }
    }
    blocks.iter().map(|block| block.join("\n")).collect()
}

/// Where the words of the header begin: a column starts after two spaces.
fn column_starts(header: &str) -> Vec<usize> {
    let chars: Vec<char> = header.chars().collect();
    let blank = |index: usize| chars.get(index).is_none_or(|c| *c == ' ');
    (0..chars.len())
        .filter(|index| {
            !blank(*index) && (*index == 0 || (blank(index - 1) && (*index < 2 || blank(index - 2))))
        })
        .collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "scenario  {}", self.scenario)?;
        writeln!(f, "{KERNELS}{}", self.kernels.join(", "))?;
        writeln!(f)?;
        let short = |cell: &String| {
            if cell.contains('\n') {
                BELOW.to_owned()
            } else {
                cell.clone()
            }
        };
        let in_line = |cells: &Vec<String>| cells.iter().map(short).collect::<Vec<_>>();
        let lines: Vec<_> = std::iter::once(&self.columns)
            .chain(&self.rows)
            .map(in_line)
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|cells| cells.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<_> = (0..self.columns.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        for cells in &lines {
            let padded: Vec<_> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join(GAP).trim_end())?;
        }
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate().filter(|(_, cell)| cell.contains('\n')) {
                writeln!(f, "\n{}", self.block_title(row, column))?;
                for line in cell.lines() {
                    writeln!(f, "{INDENT}{line}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Observation, Observed, Outcome};
    use crate::system::System;

    const TEXT: &str = r#"
title = "t"
why = "w"
source = ["posix: bind"]
matrix.new = ["plain", "reuse-addr"]
steps = [
  { open = { socket = "a", kind = "tcp4", options = "$new" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "first" } },
]
"#;

    fn run(words: [Option<&str>; 2]) -> (Table, Vec<Judgement>) {
        let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
        let system = System {
            name: "linux".to_owned(),
            release: "6.18".to_owned(),
        };
        let outcome = |word: Option<&str>| match word {
            None => Outcome::Unsupported("no".to_owned()),
            Some(word) => Outcome::Observed(vec![Observation {
                label: "first".to_owned(),
                seen: Observed::Word(word.to_owned()),
            }]),
        };
        let judgements: Vec<_> = scenario
            .cases
            .iter()
            .zip(words)
            .map(|(case, word)| {
                let (key, outcome) = (&case.key, outcome(word));
                crate::judge::judge(&scenario, key, &outcome, &system, &crate::Timing::UNKNOWN, &[])
            })
            .collect();
        let table = Table::of_run(&scenario, &judgements.iter().collect::<Vec<_>>(), "linux-6.18");
        (table, judgements)
    }

    fn compare(old: Option<&Table>, words: [Option<&str>; 2]) -> Comparison {
        let (table, judgements) = run(words);
        table.compare(old, &judgements.iter().collect::<Vec<_>>(), Scope::AllCases)
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let (table, _) = run([Some("all to newest"), Some("ok")]);
        insta::assert_snapshot!(table.to_string(), @r"
        scenario  port-reuse/t
        kernels   linux-6.18

        new         first
        plain       all to newest
        reuse-addr  ok
        ");
        assert_eq!(Table::parse(&table.to_string()), Some(table));
    }

    #[test]
    fn a_transcript_stands_below_the_table() {
        let (table, _) = run([Some("< 200\n< FIN"), Some("ok")]);
        insta::assert_snapshot!(table.to_string(), @r"
        scenario  port-reuse/t
        kernels   linux-6.18

        new         first
        plain       ↓
        reuse-addr  ok

        new=plain first
            < 200
            < FIN
        ");
        assert_eq!(Table::parse(&table.to_string()), Some(table));
    }

    #[test]
    fn a_different_row_on_a_reviewed_kernel_is_a_change() {
        let (old, _) = run([Some("ok"), Some("ok")]);
        assert_eq!(compare(Some(&old), [Some("ok"), Some("ok")]), Comparison::Same);
        let Comparison::Changed(rows) = compare(Some(&old), [Some("ok"), Some("EIO")]) else {
            panic!("the row differs")
        };
        assert_eq!(rows[0].is, ["reuse-addr", "EIO"]);
        assert_eq!(rows[0].was.as_ref().unwrap()[1], "ok");
    }

    #[test]
    fn a_kernel_nobody_has_reviewed_shows_new_rows() {
        let (mut old, _) = run([Some("ok"), Some("ok")]);
        old.kernels = vec!["linux-6.1".to_owned()];
        assert!(
            matches!(compare(Some(&old), [Some("EIO"), Some("ok")]), Comparison::New(rows) if rows.len() == 1)
        );
        assert!(matches!(compare(None, [Some("ok"), Some("ok")]), Comparison::New(rows) if rows.len() == 2));
    }

    #[test]
    fn a_case_that_was_not_observed_keeps_its_row() {
        let (old, _) = run([Some("ok"), Some("EIO")]);
        assert_eq!(compare(Some(&old), [Some("ok"), None]), Comparison::Same);
        let (table, judgements) = run([Some("ok"), None]);
        let merged = table.merged(Some(&old), &judgements.iter().collect::<Vec<_>>());
        assert_eq!(merged, old);
    }

    #[test]
    fn a_row_that_the_scenario_no_longer_has_is_a_change() {
        let (mut old, _) = run([Some("ok"), Some("ok")]);
        old.rows.push(vec!["reuse-port".to_owned(), "ok".to_owned()]);
        assert!(matches!(
            compare(Some(&old), [Some("ok"), Some("ok")]),
            Comparison::Changed(_)
        ));
    }
}
