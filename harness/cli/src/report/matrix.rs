//! Formats a scenario's results as a table for the terminal: the values of the last axis are columns, those of the other
//! axes rows.
//!
//! A snapshot has one row per case, because rows make readable diffs. A pivoted table is easier to compare by eye, for
//! example the options of the first socket with those of the second. Where it is too wide, each case has its own row.

use reusespec_core::{Judgement, Observed, Scenario, Verdict};

const WIDEST_COLUMNS: usize = 120;
const GAP: &str = "  ";

/// The results as lines of text.
pub(super) fn render(scenario: &Scenario, cases: &[&Judgement]) -> Vec<String> {
    let across = pivot(scenario, cases);
    let table = match across {
        Some(table) if width(&table) <= WIDEST_COLUMNS => table,
        _ => long(scenario, cases),
    };
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns).map(|column| column_width(&table, column)).collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<_> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join(GAP).trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

fn column_width(table: &[Vec<String>], column: usize) -> usize {
    table
        .iter()
        .filter_map(|cells| cells.get(column))
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(0)
}

fn width(table: &[Vec<String>]) -> usize {
    let columns = table.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| column_width(table, column) + GAP.len())
        .sum()
}

/// The observations of a case, in one cell.
fn cell(scenario: &Scenario, judgement: &Judgement) -> String {
    let mark = match judgement.verdict {
        Verdict::Pass => "",
        Verdict::Fail => "✗ ",
        Verdict::Deviates => "~ ",
        Verdict::Unsupported | Verdict::Broken => return judgement.verdict.name().to_owned(),
    };
    let seen = |label: &String| judgement.observed.iter().find(|each| each.label == *label);
    let words: Vec<_> = scenario
        .labels
        .iter()
        .filter_map(seen)
        .map(|each| in_line(&each.seen))
        .collect();
    format!("{mark}{}", words.join(" / "))
}

/// The observation on one line. Snapshots print transcripts in full.
fn in_line(seen: &Observed) -> String {
    match seen {
        Observed::Transcript(lines) => lines.join(" · "),
        other => other.to_string(),
    }
}

fn pivot(scenario: &Scenario, cases: &[&Judgement]) -> Option<Vec<Vec<String>>> {
    let (across, down) = scenario.axes.split_last()?;
    if down.is_empty() {
        return None;
    }
    let names: Vec<_> = down.iter().map(|axis| axis.name.clone()).collect();
    let head = format!("{} →", across.name);
    let mut table = vec![
        names
            .into_iter()
            .chain([head])
            .chain(across.values.iter().cloned())
            .collect(),
    ];
    let mut keys: Vec<Vec<String>> = Vec::new();
    for judgement in cases {
        let key: Vec<_> = judgement.key.values[..down.len()]
            .iter()
            .map(|(_, value)| value.clone())
            .collect();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for key in keys {
        let value = |value: &String| {
            let case = cases.iter().find(|judgement| {
                let values = judgement.key.values.iter().map(|(_, value)| value);
                values.eq(key.iter().chain([value]))
            });
            case.map_or_else(|| "·".to_owned(), |judgement| cell(scenario, judgement))
        };
        let cells: Vec<_> = across.values.iter().map(value).collect();
        table.push(key.iter().cloned().chain([String::new()]).chain(cells).collect());
    }
    Some(table)
}

fn long(scenario: &Scenario, cases: &[&Judgement]) -> Vec<Vec<String>> {
    let axes = scenario.axes.iter().map(|axis| axis.name.clone());
    let head = axes.chain([scenario.labels.join(" / ")]).collect();
    let row = |judgement: &&Judgement| {
        let values = judgement.key.values.iter().map(|(_, value)| value.clone());
        values.chain([cell(scenario, judgement)]).collect()
    };
    std::iter::once(head).chain(cases.iter().map(row)).collect()
}
