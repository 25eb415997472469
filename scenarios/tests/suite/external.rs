//! One test an implementation under test: it fails no must-claim that its profile does not name, and none that the
//! profile names holds after all.
//!
//! What is not installed is said and passed over, as a run does. Tables are kept where an implementation is not as the
//! one it is like or as the reference, and decide here as they do there; a scenario in which the program races with
//! itself is one its profile says `[[varies]]` of, and only claims are held against it. Of a release that no table names
//! the rows are new, and nobody's mistake.

use reusespec::implementations;
use reusespec::library::{Library, find_snapshot};
use reusespec::plan::Portion;
use reusespec::run::{reviewed_as, snapshot_keys, with_causes};
use reusespec_core::system::{kernel_name, kernel_names};
use reusespec_core::table::Comparison;
use reusespec_core::{Family, Subject};
use rstest::rstest;

use crate::conformance::{complain, review};
use crate::fixture::{root, run};

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

/// In the scenarios of this family about this subject.
fn deviates_as_its_profile_says(name: &str, family: Family, subject: Subject) {
    let root = root();
    let found = implementations::find(&root, name).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    let implementation = found.expect("it has a profile");
    if let Some(missing) = implementation.missing() {
        eprintln!("unsupported: {missing}");
        return;
    }
    let unknown = |reason: &String| eprintln!("note: {name}: its release is unknown: {reason}");
    let release = implementation.release().inspect_err(unknown).ok();
    let library = Library::load(&root).expect("the library has no mistakes");
    let of_family = library
        .scenarios
        .iter()
        .filter(|scenario| scenario.family == family && scenario.subject == subject);
    let portions: Vec<_> = of_family
        .map(|scenario| Portion {
            scenario,
            cases: scenario.cases.iter().collect(),
        })
        .collect();
    let ((system, machine), results) = run(name, &portions, None);
    let reviewed = reviewed_as(&kernel_name(&system, &machine), release.as_deref());
    let keys = snapshot_keys(&kernel_names(&system, &machine), &implementation.names(), "");
    let names_it = |scenario: &str| {
        let table = find_snapshot(&root, scenario, &keys);
        table.is_some_and(|(_, table)| table.kernels.contains(&reviewed))
    };
    let wanted = std::env::var_os("INSTA_UPDATE").is_some();
    let is_known = wanted || portions.iter().any(|portion| names_it(&portion.scenario.id));
    for ran in results {
        let (id, stale) = (&ran.scenario.id, &ran.stale);
        assert!(stale.is_empty(), "these deviations no longer occur: {stale:#?}");
        complain(&ran.judgements);
        if implementation.profile.varies_in(id) {
            continue;
        }
        if let (Comparison::New(rows), false) = (&ran.comparison, is_known) {
            eprintln!(
                "new: {id}: {} rows, and nobody has reviewed {reviewed}",
                rows.len()
            );
            continue;
        }
        review(
            &ran,
            (&system, &machine),
            &implementation.names(),
            release.as_deref(),
        );
    }
}
