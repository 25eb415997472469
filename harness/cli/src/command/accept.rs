//! `reusespec accept RESULTS.json`: snapshots from a run made elsewhere.
//!
//! What is written waits for a reviewer, as `NAME@KEY.snap.new`: `cargo insta review` shows it beside what there is.
//! `--yes` is for those who have reviewed. A kernel that behaves as the table of its system says is added to the head of
//! that table; one that does not gets a table of its own, named after it. What was broken or unsupported there changes
//! no row, and a scenario of which cases are missing needs a table to keep them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use reusespec_core::table::{Comparison, Scope, Table};
use reusespec_core::{Judgement, Scenario, Verdict};

use super::wrong_input;
use crate::arguments::Accept;
use crate::exit;
use crate::implementations;
use crate::library::{Library, find_snapshot, snapshot_path};
use crate::plan::own_implementation;
use crate::results;
use crate::run::snapshot_keys;

/// The test that reads them, as insta notes it.
const HEAD: &str = "---\nsource: scenarios/tests/suite/conformance.rs\n---\n";

/// What became of the results.
#[derive(Default)]
struct Count {
    written: usize,
    same: usize,
    unknown: usize,
    incomplete: usize,
    not_observed: usize,
    failing: usize,
}

pub(super) fn accept(library: &Library, options: &Accept) -> io::Result<i32> {
    let profiles = match implementations::load(&library.root) {
        Ok(profiles) => profiles,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    let mut count = Count::default();
    let mut groups: BTreeMap<(String, String, String), Vec<Judgement>> = BTreeMap::new();
    for file in &options.results {
        let (cases, without_kernel) = match results::read(file) {
            Ok(read) => read,
            Err(error) => return Ok(wrong_input(&error)),
        };
        count.not_observed += without_kernel;
        for seen in cases {
            let scenario = seen.judgement.key.scenario.clone();
            let group = groups.entry((scenario, seen.kernel, seen.implementation));
            group.or_default().push(seen.judgement);
        }
    }
    for ((id, kernel, implementation), seen) in groups {
        let Some(scenario) = library.scenarios.iter().find(|scenario| scenario.id == id) else {
            count.unknown += 1;
            writeln!(stdout, "not here: {id}")?;
            continue;
        };
        count.failing += seen.iter().filter(|each| each.verdict == Verdict::Fail).count();
        let judgements = of_all_cases(scenario, seen);
        let lost = |each: &&Judgement| matches!(each.verdict, Verdict::Broken | Verdict::Unsupported);
        count.not_observed += judgements.iter().filter(lost).count();
        let names_of_it = implementations::names(&profiles, &implementation);
        match proposed(&library.root, scenario, &judgements, &kernel, &names_of_it) {
            Proposal::Same => count.same += 1,
            Proposal::Incomplete => {
                count.incomplete += 1;
                writeln!(
                    stdout,
                    "incomplete, and nothing to complete it from: {id} on {kernel}"
                )?;
            }
            Proposal::Write { key, table } => {
                let path = snapshot_path(&library.root, &id, &key);
                let path = match options.yes {
                    true => path,
                    false => path.with_extension("snap.new"),
                };
                write(&path, &table)?;
                count.written += 1;
                writeln!(stdout, "{}", path.display())?;
            }
        }
    }
    summary(&count, options.yes, &mut stdout)?;
    Ok(exit::AS_EXPECTED)
}

enum Proposal {
    Same,
    Incomplete,
    Write { key: String, table: Box<Table> },
}

fn proposed(
    root: &Path,
    scenario: &Scenario,
    judgements: &[Judgement],
    kernel: &str,
    implementations: &[String],
) -> Proposal {
    let own = own_implementation(scenario);
    let keys = snapshot_keys(&names(kernel), implementations, own);
    let all: Vec<_> = judgements.iter().collect();
    let now = Table::of_run(scenario, &all, kernel);
    let missing = judgements
        .iter()
        .any(|each| each.because.as_deref() == Some(MISSING));
    let Some((key, old)) = find_snapshot(root, &scenario.id, &keys) else {
        let system = keys.last().cloned().unwrap_or_default();
        return match missing {
            true => Proposal::Incomplete,
            false => Proposal::Write {
                key: system,
                table: Box::new(now),
            },
        };
    };
    let same = now.compare(Some(&old), &all, Scope::AllCases) == Comparison::Same;
    let only_its_own = old.kernels == [kernel];
    if same || only_its_own {
        let table = now.merged(Some(&old), &all);
        return match table == old {
            true => Proposal::Same,
            false => Proposal::Write {
                key,
                table: Box::new(table),
            },
        };
    }
    match missing {
        true => Proposal::Incomplete,
        false => Proposal::Write {
            key: keys[0].clone(),
            table: Box::new(now),
        },
    }
}

/// `linux-6.1-s390x`, `linux-6.1`, `linux`: the kernel's own name and those it is a kind of.
fn names(kernel: &str) -> Vec<String> {
    let mut names = vec![kernel.to_owned()];
    let mut rest = kernel;
    while let Some((shorter, _)) = rest.rsplit_once('-') {
        names.push(shorter.to_owned());
        rest = shorter;
    }
    names
}

/// Why a case has no cells.
const MISSING: &str = "not in the results";

/// The judgements in the scenario's order, with a broken one for each case the results do not have.
fn of_all_cases(scenario: &Scenario, seen: Vec<Judgement>) -> Vec<Judgement> {
    let mut seen: BTreeMap<_, _> = seen.into_iter().map(|each| (each.key.point(), each)).collect();
    let cases = scenario.cases.iter().map(|case| {
        seen.remove(&case.key.point()).unwrap_or_else(|| Judgement {
            key: case.key.clone(),
            verdict: Verdict::Broken,
            claims: Vec::new(),
            observed: Vec::new(),
            because: Some(MISSING.to_owned()),
        })
    });
    cases.collect()
}

fn write(path: &Path, table: &Table) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, format!("{HEAD}{table}"))
}

fn summary(count: &Count, yes: bool, out: &mut impl Write) -> io::Result<()> {
    let Count {
        written,
        same,
        unknown,
        incomplete,
        not_observed,
        failing,
    } = count;
    let next = match (written, yes) {
        (0, _) | (_, true) => "",
        _ => "; see them: cargo insta review",
    };
    writeln!(
        out,
        "{written} tables written, {same} as they were, {incomplete} incomplete, {unknown} of unknown scenarios{next}"
    )?;
    writeln!(
        out,
        "{not_observed} cases were not observed and change no row; {failing} failed there, and their rows say how"
    )
}
