//! The table of a snapshot: one row for each case, one column for each axis and label, reviewed by people.
//!
//! The head names what the rows were reviewed for: kernels, implementation, release. Only a run of these can *change*
//! the table. On any other kernel or release a different row is *new* and fails nothing, because no one has reviewed
//! it. A case that could not be observed (unsupported, broken) keeps the row that the table already has, so that a run
//! which learned nothing does not overwrite a known result.
//!
//! A cell of several lines is a transcript. Its row has a number, `[1]`, and the transcript follows below the table
//! under that number. Cells with equal transcripts share a number.

use std::fmt;

use crate::case::CaseKey;
use crate::judge::{Judgement, Verdict};
use crate::observation::Observed;
use crate::scenario::Scenario;
use crate::snapshot::{KernelName, Provenance};
use crate::timing::TooLate;

const GAP: &str = "  ";
const INDENT: &str = "    ";
/// Width of the keys in the head.
const KEY_COLUMNS: usize = 16;
/// A line of the head with a list of kernels is at most so long; the rest of the list gets another line.
const HEAD_COLUMNS: usize = 100;

/// A snapshot's table, read from a file or made from a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The scenario's id: `port-reuse/wildcard-then-specific`.
    pub scenario: String,
    /// The kernels the rows were reviewed for, sorted.
    pub kernels: Vec<KernelName>,
    /// The implementation's name: `kernel`, `reference`, `nginx`.
    pub implementation: String,
    /// The release the rows were reviewed for; `None` for our own implementations, which are as this repository has
    /// them.
    pub release: Option<String>,
    /// Names of the columns: axes, then labels.
    pub columns: Vec<String>,
    /// The cells, one row for each case, in the scenario's order.
    pub rows: Vec<Vec<String>>,
}

/// The result of comparing a run with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Every observed row is equal.
    Same,
    /// Rows differ, and the snapshot was reviewed for what ran.
    Changed(Vec<RowChange>),
    /// Rows differ, or there is no snapshot; nothing was reviewed for what ran.
    New(Vec<RowChange>),
}

/// Which cases of a scenario were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them. A row that only the snapshot has is then a change.
    AllCases,
    /// Some of them.
    ChosenCases,
}

/// One row that differs from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The axis values of the case, as [`CaseKey::point`] writes them.
    pub point: String,
    /// The cells in the snapshot; `None` if it does not have the row.
    pub was: Option<Vec<String>>,
    /// The cells of the run.
    pub is: Vec<String>,
}

impl Table {
    /// The table of a run of all cases of a scenario.
    pub fn of_run(scenario: &Scenario, judgements: &[&Judgement], provenance: &Provenance) -> Self {
        let rows = judgements
            .iter()
            .map(|judgement| row(scenario, judgement))
            .collect();
        Self {
            scenario: scenario.id.clone(),
            kernels: vec![provenance.kernel.clone()],
            implementation: provenance.implementation.clone(),
            release: provenance.release.clone(),
            columns: columns(scenario),
            rows,
        }
    }

    /// Reads the text that [`Display`](fmt::Display) writes. `None` if it is anything else.
    ///
    /// The header line says at which column each cell begins, so a cell may contain single spaces.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut table = Self::parse_head(lines.by_ref().take_while(|line| !line.is_empty()))?;
        let header = lines.next()?;
        let starts = column_starts(header);
        table.columns = parse_cells(header, &starts);
        table.rows = lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .map(|line| parse_cells(line, &starts))
            .collect();
        let transcripts = parse_transcripts(lines);
        for cell in table.rows.iter_mut().flatten() {
            if let Some(number) = number_of(cell) {
                *cell = transcripts.get(number.checked_sub(1)?)?.clone();
            }
        }
        Some(table)
    }

    fn parse_head<'t>(lines: impl Iterator<Item = &'t str>) -> Option<Self> {
        let (mut scenario, mut kernels, mut implementation, mut release) = (None, Vec::new(), None, None);
        for line in lines {
            let (key, value) = line.split_once(GAP)?;
            let value = value.trim_start();
            match key {
                "scenario" => scenario = Some(value.to_owned()),
                "kernel" => {
                    for kernel in value.split(", ") {
                        kernels.push(kernel.parse().ok()?);
                    }
                }
                "implementation" => implementation = Some(value.to_owned()),
                "release" => release = Some(value.to_owned()),
                _ => return None,
            }
        }
        Some(Self {
            scenario: scenario?,
            kernels,
            implementation: implementation?,
            release,
            columns: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// Compares this table of a run with the snapshot, if there is one. Rows of cases that were not observed count as
    /// equal.
    pub fn compare(&self, old: Option<&Self>, judgements: &[&Judgement], scope: Scope) -> Comparison {
        let mut changes = Vec::new();
        for (is, judgement) in self.rows.iter().zip(judgements) {
            if !judgement.verdict.was_observed() {
                continue;
            }
            let was = old.and_then(|old| old.row_of(&self.columns, &judgement.key));
            if was != Some(is) {
                changes.push(RowChange {
                    point: judgement.key.point(),
                    was: was.cloned(),
                    is: is.clone(),
                });
            }
        }
        let Some(old) = old else {
            return Comparison::New(changes);
        };
        let axes = judgements
            .first()
            .map_or(0, |judgement| judgement.key.values.len());
        let is_of_no_case = |row: &Vec<String>| !self.rows.iter().any(|own| own[..axes] == row[..axes]);
        let other_rows =
            scope == Scope::AllCases && old.columns == self.columns && old.rows.iter().any(is_of_no_case);
        if changes.is_empty() && old.columns == self.columns && !other_rows {
            Comparison::Same
        } else if old.was_reviewed_for(self) {
            Comparison::Changed(changes)
        } else {
            Comparison::New(changes)
        }
    }

    /// Whether this table was reviewed for the kernel and the program that a run's table is of. An implementation
    /// without a table of its own is compared with that of another implementation; an equal release then shows that
    /// both are the same program.
    pub fn was_reviewed_for(&self, run: &Self) -> bool {
        let same_program = match (&self.release, &run.release) {
            (None, None) => self.implementation == run.implementation,
            (ours, theirs) => ours == theirs,
        };
        same_program && run.kernels.iter().all(|kernel| self.kernels.contains(kernel))
    }

    /// The table to review after a run of all cases: the run's rows, and the snapshot's rows for the cases that the run
    /// could not observe. A case that neither has observed has no row. The kernels of the snapshot stay in the head if its
    /// release is the run's: a table is of one release.
    pub fn merged(&self, old: Option<&Self>, judgements: &[&Judgement]) -> Self {
        let row = |(row, judgement): (&Vec<String>, &&Judgement)| match judgement.verdict.was_observed() {
            true => Some(row.clone()),
            false => old
                .and_then(|old| old.row_of(&self.columns, &judgement.key))
                .cloned(),
        };
        let mut merged = Self {
            rows: self.rows.iter().zip(judgements).filter_map(row).collect(),
            ..self.clone()
        };
        let Some(old) = old else { return merged };
        if merged.release == old.release {
            merged.kernels.extend(old.kernels.iter().cloned());
            merged.kernels.sort();
            merged.kernels.dedup();
        }
        merged
    }

    /// Whether the table has a row of this case.
    pub fn has_row_of(&self, key: &CaseKey) -> bool {
        self.row_of(&self.columns, key).is_some()
    }

    /// The row of a case; `None` if there is none, or if the table has other columns than these.
    fn row_of(&self, columns: &[String], key: &CaseKey) -> Option<&Vec<String>> {
        if self.columns != columns {
            return None;
        }
        self.rows.iter().find(|row| {
            row.iter()
                .zip(&key.values)
                .all(|(cell, (_, value))| cell == value)
        })
    }

    /// The different transcripts in the order of their first cells, each with the labels it occurs under.
    fn transcripts(&self) -> Vec<(&str, Vec<&str>)> {
        let mut transcripts: Vec<(&str, Vec<&str>)> = Vec::new();
        for (label, cell) in self.rows.iter().flat_map(|row| self.columns.iter().zip(row)) {
            if !cell.contains('\n') {
                continue;
            }
            match transcripts.iter_mut().find(|(text, _)| text == cell) {
                Some((_, labels)) if labels.contains(&label.as_str()) => {}
                Some((_, labels)) => labels.push(label),
                None => transcripts.push((cell, vec![label])),
            }
        }
        transcripts
    }

    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:KEY_COLUMNS$}{}", "scenario", self.scenario)?;
        let mut line = String::new();
        for kernel in self.kernels.iter().map(ToString::to_string) {
            if !line.is_empty() && KEY_COLUMNS + line.len() + 2 + kernel.len() > HEAD_COLUMNS {
                writeln!(f, "{:KEY_COLUMNS$}{line}", "kernel")?;
                line.clear();
            }
            let comma = if line.is_empty() { "" } else { ", " };
            line = format!("{line}{comma}{kernel}");
        }
        writeln!(f, "{:KEY_COLUMNS$}{line}", "kernel")?;
        writeln!(f, "{:KEY_COLUMNS$}{}", "implementation", self.implementation)?;
        match &self.release {
            Some(release) => writeln!(f, "{:KEY_COLUMNS$}{release}", "release"),
            None => Ok(()),
        }
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
    let (columns, row) = (columns(scenario), row(scenario, judgement));
    let was = reviewed.and_then(|reviewed| reviewed.row_of(&columns, &judgement.key));
    if was == Some(&row) {
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
            Some(was) => columns.iter().zip(&row).zip(was).all(is_explained),
            None => doubts().any(|(_, doubt)| doubt.rounding),
        };
    if in_doubt {
        let late_us = doubts().map(|(_, doubt)| doubt.late_us).max().unwrap_or_default();
        *judgement = Judgement::too_late(&judgement.key, TooLate(late_us));
    }
}

/// The names of the columns: axes, then labels.
fn columns(scenario: &Scenario) -> Vec<String> {
    let axes = scenario.axes.iter().map(|axis| axis.name.clone());
    let mut columns: Vec<_> = axes.chain(scenario.labels.iter().cloned()).collect();
    if scenario.labels.is_empty() {
        columns.push("result".to_owned());
    }
    columns
}

fn row(scenario: &Scenario, judgement: &Judgement) -> Vec<String> {
    let values = judgement.key.values.iter().map(|(_, value)| value.clone());
    let seen = |label: &String| match judgement.observed.iter().find(|each| each.label == *label) {
        Some(observation) => observation.seen.to_string(),
        None if judgement.verdict.was_observed() => ".".to_owned(),
        None => judgement.verdict.name().to_owned(),
    };
    let mut cells: Vec<_> = values.chain(scenario.labels.iter().map(seen)).collect();
    if scenario.labels.is_empty() {
        cells.push(judgement.verdict.name().to_owned());
    }
    cells
}

/// The cells of a line. `starts` has the position at which each column begins.
fn parse_cells(line: &str, starts: &[usize]) -> Vec<String> {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell = |(start, end): (&usize, usize)| {
        let cell: String = line.chars().take(end).skip(*start).collect();
        cell.trim().to_owned()
    };
    starts.iter().zip(ends).map(cell).collect()
}

/// The number in a cell like `[12]`.
fn number_of(cell: &str) -> Option<usize> {
    cell.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The transcripts below the table, in the order of their numbers. A line without indentation begins one.
fn parse_transcripts<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut transcripts: Vec<Vec<&str>> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match (line.strip_prefix(INDENT), transcripts.last_mut()) {
            (Some(text), Some(transcript)) => transcript.push(text),
            _ => transcripts.push(Vec::new()),
        }
    }
    transcripts.iter().map(|lines| lines.join("\n")).collect()
}

/// Where the words of the header begin. Two spaces separate columns.
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
        self.write_head(f)?;
        writeln!(f)?;
        let transcripts = self.transcripts();
        let short = |cell: &String| match transcripts.iter().position(|(text, _)| text == cell) {
            Some(index) => format!("[{}]", index + 1),
            None => cell.clone(),
        };
        let in_line = |cells: &Vec<String>| cells.iter().map(short).collect::<Vec<_>>();
        let lines: Vec<_> = std::iter::once(&self.columns)
            .chain(&self.rows)
            .map(in_line)
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        for cells in &lines {
            let padded: Vec<_> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join(GAP).trim_end())?;
        }
        for (index, (transcript, labels)) in transcripts.iter().enumerate() {
            writeln!(f, "\n[{}] {}", index + 1, labels.join(", "))?;
            for line in transcript.lines() {
                writeln!(f, "{INDENT}{line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
