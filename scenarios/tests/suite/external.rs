//! One test an implementation under test: it fails no must-claim that its profile does not name, and none that the
//! profile names holds after all.
//!
//! What is not installed is said and passed over, as a run does. Tables are kept where an implementation is not as the
//! reference. A row that is not as in its table is shown here and decides nothing: what somebody else's program does in
//! a race must not decide whether a change of ours lands. `reusespec run` exits 1 for it, and `INSTA_UPDATE=always`
//! writes the tables anew.

use std::io::{self, Write};

use reusespec::event::{Event, Summary};
use reusespec::implementations;
use reusespec::library::Library;
use reusespec::plan::Portion;
use reusespec::run::{Settings, run_portions};
use reusespec_core::table::Comparison;
use reusespec_core::{Family, Subject};
use rstest::rstest;

use crate::conformance::{complain, review};
use crate::ground::{host, root};

#[rstest]
fn an_application_deviates_as_its_profile_says(#[values("go", "php-fpm", "libfcgi", "flup")] name: &str) {
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
    let implementation = implementations::find(&root, name).expect("it has a profile");
    if let Some(missing) = implementation.missing() {
        eprintln!("unsupported: {missing}");
        return;
    }
    let release = implementation.release();
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
    let settings = Settings::of(&root);
    let mut kernel = None;
    let mut results = Vec::new();
    run_portions(
        &host(),
        name,
        &portions,
        &settings,
        &mut Summary::default(),
        &mut |event| match event {
            Event::PlatformReady { hello, .. } => {
                kernel = Some((hello.system.clone(), hello.machine.clone()));
            }
            Event::ScenarioFinished(result) => {
                let judgements: Vec<_> = result.cases.into_iter().map(|(judgement, _)| judgement).collect();
                results.push((
                    result.scenario.id.clone(),
                    judgements,
                    result.comparison,
                    result.stale,
                ));
            }
            Event::Note(note) => eprintln!("note: {note}"),
            _ => {}
        },
    );
    let (system, machine) = kernel.expect("the agent said hello");
    for (id, judgements, comparison, stale) in results {
        let scenario = library.scenarios.iter().find(|scenario| scenario.id == id);
        let scenario = scenario.expect("a result is a scenario's");
        assert!(stale.is_empty(), "these deviations no longer occur: {stale:#?}");
        complain(&judgements);
        if implementation.profile.varies_in(&id) {
            continue;
        }
        if std::env::var_os("INSTA_UPDATE").is_some() {
            review(
                scenario,
                &judgements,
                &comparison,
                (&system, &machine),
                name,
                release.as_deref(),
            );
        } else if let Comparison::Changed(rows) = &comparison {
            let line = format!(
                "changed: {id} with {name}: {} rows are not as in its table\n",
                rows.len()
            );
            io::stderr()
                .write_all(line.as_bytes())
                .expect("standard error is open");
        }
    }
}
