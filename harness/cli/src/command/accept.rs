//! `reusespec accept RESULTS.json`: writes snapshots from the results of a run on another machine.
//!
//! A table that differs is written as `NAME@KERNEL.snap.new` and waits for review: `cargo insta review` shows it beside
//! the snapshot. `--yes` writes the snapshot itself. If a kernel's rows equal the table of its system, the kernel is
//! added to that table's head; otherwise it gets a table of its own. Cases that were broken or unsupported there change
//! no row. If a case was broken, or the results lack it, its row must come from an existing table; an unsupported case that
//! no table has a row of has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use reusespec_core::table::{Comparison, Scope, Table};
use reusespec_core::{Judgement, Provenance, Scenario, SnapshotKey, Verdict};

use super::wrong_input;
use crate::arguments::Accept;
use crate::exit;
use crate::implementations::{self, ProfiledImplementation};
use crate::library::{Library, find_snapshot, snapshot_path};
use crate::plan::default_implementation;
use crate::results;

/// The metadata that insta writes for the test that reads the snapshots.
const METADATA: &str = "---\nsource: scenarios/tests/suite/conformance.rs\n---\n";

/// The numbers that `accept` prints at its end: scenarios, then cases.
#[derive(Default)]
struct Counts {
    written: usize,
    unchanged: usize,
    unknown: usize,
    incomplete: usize,
    racy: usize,
    not_observed: usize,
    failed: usize,
}

pub(super) fn accept(library: &Library, options: &Accept) -> io::Result<i32> {
    let profiles = match implementations::load(&library.root) {
        Ok(profiles) => profiles,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    let mut counts = Counts::default();
    let mut groups: BTreeMap<(String, Provenance), Vec<Judgement>> = BTreeMap::new();
    let mut racy = BTreeSet::new();
    for file in &options.results {
        let cases = match results::read(file) {
            Ok(cases) => cases,
            Err(error) => return Ok(wrong_input(&error)),
        };
        for case in cases {
            match case.provenance() {
                Some(provenance) if case.varies => {
                    racy.insert((case.scenario, provenance));
                }
                Some(provenance) => {
                    let group = groups.entry((case.scenario.clone(), provenance));
                    group.or_default().push(case.judgement());
                }
                None => counts.not_observed += 1,
            }
        }
    }
    counts.racy = racy.len();
    for ((id, provenance), seen) in groups {
        let Some(scenario) = library.scenarios.iter().find(|scenario| scenario.id == id) else {
            counts.unknown += 1;
            writeln!(stdout, "unknown scenario: {id}")?;
            continue;
        };
        counts.failed += seen.iter().filter(|each| each.verdict == Verdict::Fail).count();
        let judgements = of_all_cases(scenario, seen);
        let observed = judgements.iter().filter(|each| each.verdict.was_observed());
        counts.not_observed += judgements.len() - observed.count();
        match update(&library.root, &profiles, scenario, &judgements, &provenance) {
            Update::None => {
                let key = SnapshotKey::of(scenario.family, &scenario.id, &provenance);
                for key in [key.for_system(), key] {
                    remove(&snapshot_path(&library.root, &key).with_extension("snap.new"))?;
                }
                counts.unchanged += 1;
            }
            Update::Incomplete => {
                counts.incomplete += 1;
                writeln!(
                    stdout,
                    "incomplete, and no table has the missing rows: {id}, {provenance}"
                )?;
            }
            Update::Write { key, table } => {
                let path = snapshot_path(&library.root, &key);
                let proposal = path.with_extension("snap.new");
                let path = if options.yes {
                    // A proposal of an earlier run is out of date.
                    remove(&proposal)?;
                    path
                } else {
                    proposal
                };
                write(&path, &table)?;
                counts.written += 1;
                writeln!(stdout, "{}", path.display())?;
            }
        }
    }
    print_counts(&counts, options.yes, &mut stdout)?;
    Ok(exit::AS_EXPECTED)
}

/// What the results of a scenario change in the snapshots.
enum Update {
    None,
    /// Nothing, because cases are missing and no table has their rows.
    Incomplete,
    Write {
        key: SnapshotKey,
        table: Box<Table>,
    },
}

fn update(
    root: &Path,
    profiles: &[ProfiledImplementation],
    scenario: &Scenario,
    judgements: &[Judgement],
    provenance: &Provenance,
) -> Update {
    let profile = implementations::named(profiles, &provenance.implementation);
    let all: Vec<_> = judgements.iter().collect();
    let run = Table::of_run(scenario, &all, provenance);
    let own_key = SnapshotKey::of(scenario.family, &scenario.id, provenance);
    let like = profile.and_then(|profile| profile.like.as_deref());
    let keys = own_key.look_up_order(like, default_implementation(scenario));
    let is_incomplete = judgements.iter().any(|each| each.verdict == Verdict::Broken);
    let first = run.merged(None, &all);
    if first.rows.is_empty() {
        return if is_incomplete {
            Update::Incomplete
        } else {
            Update::None
        };
    }
    let is_same = |old: &Table| run.compare(Some(old), &all, Scope::AllCases) == Comparison::Same;
    let (key, table) = match find_snapshot(root, &keys) {
        Some((key, old)) if key.implementation == own_key.implementation => {
            let is_of_another_release = old.release != run.release;
            let is_of_this_kernel_alone = old.kernels == run.kernels;
            if is_same(&old) || is_of_another_release || is_of_this_kernel_alone {
                let table = run.merged(Some(&old), &all);
                let lacks =
                    |each: &Judgement| each.verdict == Verdict::Broken && !table.has_row_of(&each.key);
                if judgements.iter().any(lacks) {
                    return Update::Incomplete;
                }
                if table == old {
                    return Update::None;
                }
                (key, table)
            } else if is_incomplete {
                return Update::Incomplete;
            } else {
                (own_key, first)
            }
        }
        // An implementation with equal rows uses the other implementation's table.
        Some((_, old)) if is_same(&old) => return Update::None,
        Some(_) | None if is_incomplete => return Update::Incomplete,
        Some(_) | None => (own_key.for_system(), first),
    };
    Update::Write {
        key,
        table: Box::new(table),
    }
}

/// The reason of a case that the results do not have.
const MISSING: &str = "not in the results";

/// The judgements of all cases in the scenario's order. A case that the results do not have is broken.
fn of_all_cases(scenario: &Scenario, seen: Vec<Judgement>) -> Vec<Judgement> {
    let mut seen: BTreeMap<_, _> = seen.into_iter().map(|each| (each.key.point(), each)).collect();
    let cases = scenario.cases.iter().map(|case| {
        seen.remove(&case.key.point()).unwrap_or_else(|| Judgement {
            key: case.key.clone(),
            verdict: Verdict::Broken,
            claims: Vec::new(),
            observed: Vec::new(),
            reason: Some(MISSING.to_owned()),
            was_late: false,
        })
    });
    cases.collect()
}

fn write(path: &Path, table: &Table) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, format!("{METADATA}{table}"))
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn print_counts(counts: &Counts, yes: bool, out: &mut impl Write) -> io::Result<()> {
    let Counts {
        written,
        unchanged,
        unknown,
        incomplete,
        racy,
        not_observed,
        failed,
    } = counts;
    let next = match (written, yes) {
        (0, _) | (_, true) => "",
        (_, false) => "; review them with: cargo insta review",
    };
    writeln!(
        out,
        "{written} tables written, {unchanged} unchanged, {incomplete} incomplete, {unknown} of unknown scenarios, {racy} that vary{next}"
    )?;
    writeln!(
        out,
        "{not_observed} cases were not observed and change no row; {failed} failed, and their rows are written like all others"
    )
}

#[cfg(test)]
mod tests {
    use reusespec_core::observation::{Observation, Observed};

    use super::*;

    const TEXT: &str = r#"
title = "t"
why = "w"
source = ["posix: bind"]
steps = [
  { open = { socket = "a", kind = "tcp4" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "first" } },
]
"#;

    /// Updates the snapshots for the results of one implementation. Returns the file and the head's kernel and release.
    fn accepted(root: &Path, implementation: &str, release: Option<&str>, cell: &str) -> Option<[String; 3]> {
        let profiles = implementations::load(&root.join("scenarios")).unwrap();
        let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
        let observed = Observation {
            label: "first".to_owned(),
            seen: Observed::Word(cell.to_owned()),
        };
        let judgement = Judgement {
            key: scenario.cases[0].key.clone(),
            verdict: Verdict::Pass,
            claims: Vec::new(),
            observed: vec![observed],
            reason: None,
            was_late: false,
        };
        let provenance = Provenance {
            kernel: "linux-6.18".parse().unwrap(),
            implementation: implementation.to_owned(),
            release: release.map(str::to_owned),
        };
        match update(root, &profiles, &scenario, &[judgement], &provenance) {
            Update::Write { key, table } => {
                write(&snapshot_path(root, &key), &table).unwrap();
                let kernels: Vec<_> = table.kernels.iter().map(ToString::to_string).collect();
                let release = table.release.unwrap_or_default();
                Some([key.path(), kernels.join(", "), release])
            }
            Update::None | Update::Incomplete => None,
        }
    }

    #[test]
    fn an_implementation_gets_a_table_only_where_its_rows_differ() {
        let root = tempfile::tempdir().unwrap();
        let accepted = |implementation, release, cell| accepted(root.path(), implementation, release, cell);
        let written = |file: &str, release: &str| {
            let path = format!("port-reuse/snapshots/{file}");
            Some([path, "linux-6.18".to_owned(), release.to_owned()])
        };
        assert_eq!(accepted("kernel", None, "ok"), written("kernel/t@linux.snap", ""));
        assert_eq!(accepted("go", Some("go 1"), "ok"), None);
        assert_eq!(
            accepted("go", Some("go 1"), "EINVAL"),
            written("go/t@linux.snap", "go 1")
        );
        assert_eq!(accepted("go", Some("go 1"), "EINVAL"), None);
    }

    #[test]
    fn another_release_replaces_the_one_that_was_reviewed() {
        let root = tempfile::tempdir().unwrap();
        let release = |release, cell| accepted(root.path(), "go", Some(release), cell).map(|[.., head]| head);
        assert_eq!(release("go 1", "EINVAL").as_deref(), Some("go 1"));
        assert_eq!(release("go 2", "EINVAL").as_deref(), Some("go 2"));
        assert_eq!(release("go 3", "ok").as_deref(), Some("go 3"));
    }
}
