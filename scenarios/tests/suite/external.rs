//! One test for each implementation under test: it deviates from must-claims exactly as its profile says.
//!
//! An implementation that is not installed is skipped with a message, as in a run. Rows are compared with the snapshots
//! unless the profile lists the scenario under `varies`. If no snapshot was reviewed for the installed release, its
//! rows are printed and fail nothing.

use std::path::{Path, PathBuf};

use reusespec::implementations::{self, ProfiledImplementation};
use reusespec::library::{Library, find_snapshot};
use reusespec::plan::{ScenarioCases, default_implementation};
use reusespec::run::with_causes;
use reusespec_core::table::{Comparison, Table};
use reusespec_core::{Family, SnapshotKey, Subject};
use rstest::rstest;

use crate::conformance::{complain, review};
use crate::fixture::{ScenarioRun, root, run};

#[rstest]
fn deviates_as_its_profile_says(#[files("../harness/implementations/*/profile.toml")] profile: PathBuf) {
    let folder = profile.parent().and_then(Path::file_name);
    let name = folder.expect("it is in a folder").to_string_lossy();
    let root = root();
    let found = implementations::find(&root, &name).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    let implementation = found.expect("it has a profile");
    if let Some(missing) = implementation.missing() {
        eprintln!("unsupported: {missing}");
        return;
    }
    let families = implementation.profile.families.iter();
    let families = families.map(|name| Family::named(name).expect("the profile names families"));
    let as_web_server = implementation.profile.reverse_proxy.iter();
    let tested: Vec<_> = families
        .map(|family| (family, Subject::Implementation))
        .chain(as_web_server.map(|_| (Family::Fastcgi, Subject::WebServer)))
        .collect();
    assert!(!tested.is_empty(), "no scenario tests {name}");
    for (family, subject) in tested {
        run_family(&implementation, family, subject);
    }
}

/// Runs the scenarios of this family about this subject.
fn run_family(implementation: &ProfiledImplementation, family: Family, subject: Subject) {
    let root = root();
    let profile = &implementation.profile;
    let library = Library::load(&root).expect("the library has no mistakes");
    let chosen: Vec<_> = library
        .scenarios
        .iter()
        .filter(|scenario| scenario.family == family && scenario.subject == subject)
        .map(|scenario| ScenarioCases {
            scenario,
            cases: scenario.cases.iter().collect(),
        })
        .collect();
    let (_, runs) = run(&implementation.name, &chosen, None);
    let is_reviewed = |run: &ScenarioRun<'_>| {
        let key = SnapshotKey::of(family, &run.scenario.id, &run.provenance);
        let keys = key.look_up_order(profile.like.as_deref(), default_implementation(run.scenario));
        let judgements: Vec<_> = run.judgements.iter().collect();
        let now = Table::of_run(run.scenario, &judgements, &run.provenance);
        find_snapshot(&root, &keys).is_some_and(|(_, table)| table.was_reviewed_for(&now))
    };
    let is_known = std::env::var_os("INSTA_UPDATE").is_some() || runs.iter().any(is_reviewed);
    for run in runs {
        let (id, stale) = (&run.scenario.id, &run.stale);
        assert!(stale.is_empty(), "these deviations no longer occur: {stale:#?}");
        complain(&run.judgements);
        if profile.varies_in(id) {
            continue;
        }
        match &run.comparison {
            Comparison::New(rows) if !is_known => {
                let (count, provenance) = (rows.len(), &run.provenance);
                eprintln!("new: {id}: {count} rows; no snapshot is of {provenance}");
            }
            Comparison::Same | Comparison::Changed(_) | Comparison::New(_) => {
                review(&run, &run.provenance, profile.like.as_deref());
            }
        }
    }
}
