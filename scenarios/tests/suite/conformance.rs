//! One test a scenario file: no must-claim fails, nothing is broken, and the table is the reviewed one.
//!
//! `cargo insta review` shows a changed table beside the old one. Rows that this machine cannot observe keep
//! what the snapshot has; a kernel the snapshot does not name shows its rows and fails nothing.

use std::path::{Path, PathBuf};

use reusespec::library::{find_snapshot, load_file};
use reusespec::plan::{Portion, own_implementation};
use reusespec::run::{own_ending, reviewed_as, snapshot_keys};
use reusespec_core::system::{kernel_name, kernel_names};
use reusespec_core::table::{Comparison, Table};
use reusespec_core::{Judgement, System, Verdict};
use rstest::rstest;

use crate::fixture::{Ran, root, run};

#[rstest]
fn scenario(
    #[files("port-reuse/**/*.toml")]
    #[files("keepalive/**/*.toml")]
    #[files("fastcgi/**/*.toml")]
    #[files("http/**/*.toml")]
    // They are about web servers, of which none is ours.
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
    let portions = [Portion {
        scenario: &scenario,
        cases: scenario.cases.iter().collect(),
    }];
    let own = own_implementation(&scenario);
    let ((system, machine), ran) = run(own, &portions, None);
    let ran = ran.first().expect("every case has an outcome");
    complain(&ran.judgements);
    review(ran, (&system, &machine), &[own.to_owned()], None);
}

/// Says which cases failed or broke, and says of the unsupported ones why.
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

/// Lets insta compare the table with the reviewed one, where what ran has been reviewed or is the first of its kind.
/// `names` are those under which its tables may be kept.
pub(crate) fn review(
    ran: &Ran<'_>,
    (system, machine): (&System, &str),
    names: &[String],
    version: Option<&str>,
) {
    let Ran {
        scenario,
        judgements,
        comparison,
        ..
    } = ran;
    let all: Vec<_> = judgements.iter().collect();
    let reviewed = reviewed_as(&kernel_name(system, machine), version);
    let now = Table::of_run(scenario, &all, &reviewed);
    let own = own_implementation(scenario);
    let suffix = own_ending(names, own);
    let keys = snapshot_keys(&kernel_names(system, machine), names, own);
    let found = find_snapshot(&root(), &scenario.id, &keys);
    // An implementation that is as the one it is like, or as the scenario's own one, has no table of its own.
    let old = found.filter(|(key, _)| key.ends_with(&suffix));
    if *comparison == Comparison::Same && old.is_none() {
        return;
    }
    if let (Comparison::New(rows), true) = (comparison, old.is_some()) {
        eprintln!(
            "new: {}: {} rows are not as on the reviewed kernels",
            scenario.id,
            rows.len()
        );
        return;
    }
    if old
        .as_ref()
        .is_some_and(|(_, old)| !old.kernels.contains(&reviewed))
    {
        eprintln!(
            "same: {}: {reviewed} is not reviewed, and as those that are",
            scenario.id
        );
        return;
    }
    let (key, old) = old.map_or_else(
        || (format!("{}{suffix}", system.name), None),
        |(key, table)| (key, Some(table)),
    );
    let table = now.merged(old.as_ref(), &all);
    let (folder, name) = scenario
        .id
        .rsplit_once('/')
        .expect("an id is a family and a name");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join(folder).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_suffix(key);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), table.to_string()));
}
