//! One test for each scenario file: no must-claim fails, no case is broken, and the table equals the snapshot.
//!
//! `cargo insta review` shows a changed table beside the old one. Rows that this machine cannot observe keep the cells
//! of the snapshot. A kernel that the snapshot does not name prints its rows and fails nothing.

use std::fs;
use std::path::{Path, PathBuf};

use reusespec::library::{find_snapshot, load_file, read_snapshot};
use reusespec::plan::{ScenarioCases, default_implementation};
use reusespec_core::table::{Comparison, Table};
use reusespec_core::{Family, Judgement, Provenance, SnapshotKey, Verdict};
use rstest::rstest;

use crate::fixture::{ScenarioRun, root, run};

#[rstest]
fn scenario(
    #[files("port-reuse/**/*.toml")]
    #[files("keepalive/**/*.toml")]
    #[files("fastcgi/**/*.toml")]
    #[files("http/**/*.toml")]
    // These scenarios are about web servers, and the reference has none.
    #[exclude("fastcgi/clients/")]
    path: PathBuf,
) {
    conforms(&path);
}

fn conforms(path: &Path) {
    let scenario = load_file(&root(), path)
        .expect("the file is there")
        .unwrap_or_else(|complaints| {
            let texts: Vec<_> = complaints
                .iter()
                .map(|complaint| complaint.render(false))
                .collect();
            panic!("{}", texts.join("\n"))
        });
    let chosen = [ScenarioCases {
        scenario: &scenario,
        cases: scenario.cases.iter().collect(),
    }];
    let (_, runs) = run(default_implementation(&scenario), &chosen, None);
    let run = runs.first().expect("every case has an outcome");
    complain(&run.judgements);
    review(run, &run.provenance, None);
}

/// Panics with the cases that failed or broke, and prints why the unsupported ones are.
pub(crate) fn complain(judgements: &[Judgement]) {
    let mut trouble = Vec::new();
    for judgement in judgements {
        let reason = judgement.reason.as_deref().unwrap_or_default();
        let verdict = judgement.verdict.name();
        match judgement.verdict {
            Verdict::Pass | Verdict::Deviates => {}
            Verdict::Unsupported => eprintln!("{verdict}: {}: {reason}", judgement.key),
            Verdict::Broken => trouble.push(format!("{verdict}: {}: {reason}", judgement.key)),
            Verdict::Fail => {
                let unmet = judgement
                    .claims
                    .iter()
                    .flat_map(|claim| claim.unmet.iter().map(|each| (&claim.id, each)));
                for (claim, unmet) in unmet {
                    let (label, expected, seen) = (&unmet.label, &unmet.expected, &unmet.seen);
                    trouble.push(format!(
                        "{verdict}: {}: {claim}: expected {label} = {expected}, observed {seen}",
                        judgement.key
                    ));
                }
            }
        }
    }
    assert!(trouble.is_empty(), "\n{}", trouble.join("\n"));
}

/// Lets insta compare the table with the snapshot. Does so only if the snapshot was reviewed for what ran, or if there
/// is none yet. `like` is the implementation that the profile names so.
pub(crate) fn review(run: &ScenarioRun<'_>, provenance: &Provenance, like: Option<&str>) {
    let ScenarioRun {
        scenario,
        judgements,
        comparison,
        ..
    } = run;
    let all: Vec<_> = judgements.iter().collect();
    let now = Table::of_run(scenario, &all, provenance);
    let own_key = SnapshotKey::of(scenario.family, &scenario.id, provenance);
    let keys = own_key.look_up_order(like, default_implementation(scenario));
    let found = find_snapshot(&root(), &keys);
    let own = found.filter(|(key, _)| key.implementation == own_key.implementation);
    let (key, old) = match (own, comparison) {
        // An implementation with equal rows uses the other implementation's table.
        (None, Comparison::Same) => return,
        (None, Comparison::Changed(_) | Comparison::New(_)) => (own_key.for_system(), None),
        (Some(_), Comparison::New(rows)) => {
            let (id, count) = (&scenario.id, rows.len());
            eprintln!("new: {id}: {count} rows differ from the snapshot, which is not of {provenance}");
            return;
        }
        (Some((_, old)), Comparison::Same) if !old.was_reviewed_for(&now) => {
            eprintln!("same: {}: the snapshot is not of {provenance}", scenario.id);
            return;
        }
        (Some((key, old)), Comparison::Same | Comparison::Changed(_)) => (key, Some(old)),
    };
    let table = now.merged(old.as_ref(), &all);
    if table.rows.is_empty() {
        eprintln!("no table: {}: no case was observed", scenario.id);
        return;
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join(key.folder()));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_suffix(key.kernel.to_string());
    settings.set_omit_expression(true);
    let name = key.scenario_name().to_owned();
    settings.bind(|| insta::assert_snapshot!(name, table.to_string()));
}

/// The snapshots below a folder of scenarios.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let below = |path: PathBuf| match path.is_dir() {
        true => snapshots(&path),
        false => vec![path],
    };
    let files = paths.flat_map(below);
    files
        .filter(|path| path.extension().is_some_and(|end| end == "snap"))
        .collect()
}

#[test]
fn every_snapshot_reads_back_and_its_head_agrees_with_its_name() {
    let root = root();
    let families = Family::ALL.map(|family| snapshots(&root.join(family.name())));
    for path in families.concat() {
        let below = path
            .strip_prefix(&root)
            .expect("it is below")
            .display()
            .to_string();
        let key =
            SnapshotKey::from_path(&below).unwrap_or_else(|| panic!("{below} is not a snapshot's name"));
        let table = read_snapshot(&path).unwrap_or_else(|| panic!("{below} has no table"));
        assert_eq!(key.path(), below);
        assert_eq!(
            (&table.scenario, &table.implementation),
            (&key.scenario_id(), &key.implementation),
            "{below}"
        );
        let text = fs::read_to_string(&path).expect("it has been read before");
        assert!(
            text.ends_with(&format!("\n---\n{table}")),
            "{below} is not as it would be written"
        );
        let head: Vec<_> = text.lines().skip(3).take_while(|line| !line.is_empty()).collect();
        assert!(
            head.iter().all(|line| line.chars().count() <= 100),
            "{below}: {head:#?}"
        );
        let scenario = root.join(format!("{}.toml", key.scenario_id()));
        assert!(scenario.is_file(), "{below} has no scenario");
    }
}
