//! One test for each implementation under test: it deviates from must-claims exactly as its profile says.
//!
//! An implementation that is not installed is skipped with a message, as in a run. Rows are compared with the snapshots
//! unless the profile lists the scenario under `varies`. If no snapshot was reviewed for the installed release, its
//! rows are printed and fail nothing.

use reusespec::implementations;
use reusespec::library::{Library, find_snapshot};
use reusespec::plan::{ScenarioCases, default_implementation};
use reusespec::run::with_causes;
use reusespec_core::table::{Comparison, Table};
use reusespec_core::{Family, SnapshotKey, Subject};
use rstest::rstest;

use crate::conformance::{complain, review};
use crate::fixture::{ScenarioRun, root, run};

#[rstest]
fn an_application_deviates_as_its_profile_says(
    #[values("go", "php-fpm", "php-cgi", "libfcgi", "flup")] name: &str,
) {
    deviates_as_its_profile_says(name, Family::Fastcgi, Subject::Implementation);
}

#[rstest]
fn a_web_server_deviates_as_its_profile_says(
    #[values("nginx", "lighttpd", "apache", "haproxy", "caddy")] name: &str,
) {
    deviates_as_its_profile_says(name, Family::Fastcgi, Subject::WebServer);
}

#[rstest]
fn an_http_server_deviates_as_its_profile_says(
    #[values("go", "node", "python", "hyper", "nginx", "apache")] name: &str,
) {
    deviates_as_its_profile_says(name, Family::Http, Subject::Implementation);
}

/// Runs the scenarios of this family about this subject.
fn deviates_as_its_profile_says(name: &str, family: Family, subject: Subject) {
    let root = root();
    let found = implementations::find(&root, name).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    let implementation = found.expect("it has a profile");
    if let Some(missing) = implementation.missing() {
        eprintln!("unsupported: {missing}");
        return;
    }
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
    let (_, runs) = run(name, &chosen, None);
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
