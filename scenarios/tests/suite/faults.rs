//! The claims about implementations can fail: each known bug turns one red, and each is turned red by one.
//!
//! FastCGI and HTTP are not held to it yet: a few of their faults and claims have no partner, and a whole pass over
//! their faults takes minutes.

use std::collections::BTreeSet;

use reusespec::event::{Event, Summary};
use reusespec::faults::{self, Fault};
use reusespec::library::Library;
use reusespec::plan::{Portion, REFERENCE};
use reusespec::run::{Settings, run_portions};
use reusespec_core::{Family, Level, Scenario, Subject, System};
use rstest::rstest;

use crate::ground::{host, root};

/// Faults that no Linux kernel can show, because the option or rule they break is a BSD's.
const ONLY_ON_BSDS: [&str; 2] = ["multicast-without-reuse-port", "balanced-with-plain-reuse-port"];

/// Faults against a SHOULD: no must-claim can speak of them, a should-claim does.
const ONLY_AGAINST_A_SHOULD: [&str; 5] = [
    "http-drops-half-closed",
    "http-close-in-continue",
    "http-empty-line-refused",
    "http-head-unlimited",
    "http-asterisk-refused",
];

#[rstest]
#[case(Family::PortReuse)]
#[case(Family::Keepalive)]
fn every_fault_is_caught_and_every_must_claim_catches_one(#[case] family: Family) {
    let root = root();
    let library = Library::load(&root).unwrap();
    let of_family =
        |scenario: &&Scenario| scenario.family == family && scenario.subject == Subject::Implementation;
    let scenarios: Vec<_> = library.scenarios.iter().filter(of_family).collect();
    let (sound, system) = red_claims(&scenarios, None, Level::Must);
    assert!(sound.is_empty(), "the reference without a fault breaks {sound:?}");
    let mut caught = BTreeSet::new();
    for fault in faults::all().iter().filter(|fault| fault.family == family) {
        let (red, _) = red_claims(&scenarios, Some(fault), Level::Must);
        let level = if ONLY_AGAINST_A_SHOULD.contains(&fault.note.name) {
            Level::Should
        } else {
            Level::Must
        };
        let is_caught = match level {
            Level::Must => !red.is_empty(),
            level => !red_claims(&scenarios, Some(fault), level).0.is_empty(),
        };
        let cannot_show = system.name == "linux" && ONLY_ON_BSDS.contains(&fault.note.name);
        assert!(
            cannot_show || is_caught,
            "no {}-claim catches `{}`",
            level.name(),
            fault.note.name
        );
        caught.extend(red);
    }
    let uncaught: Vec<_> = must_claims(&scenarios, &system)
        .difference(&caught)
        .cloned()
        .collect();
    assert!(
        uncaught.is_empty(),
        "no fault turns these must-claims red: {uncaught:#?}"
    );
}

/// The must-claims about this system, as `scenario claim`.
fn must_claims(scenarios: &[&Scenario], system: &System) -> BTreeSet<String> {
    let mut claims = BTreeSet::new();
    for scenario in scenarios {
        let here = |on: &[reusespec_core::SystemRange]| {
            on.is_empty() || on.iter().any(|range| range.contains(system))
        };
        let musts = scenario
            .claims
            .iter()
            .filter(|claim| claim.level == Level::Must && here(&claim.on));
        claims.extend(musts.map(|claim| format!("{} {}", scenario.id, claim.id)));
    }
    claims
}

/// The claims of a level that do not hold, and the system they were judged on.
fn red_claims(scenarios: &[&Scenario], fault: Option<&Fault>, level: Level) -> (BTreeSet<String>, System) {
    let root = root();
    let settings = Settings {
        root: &root,
        jobs: 0,
        fault: fault.map(|fault| fault.note.name.to_owned()),
        target: None,
        capture: None,
    };
    let portions: Vec<_> = scenarios
        .iter()
        .map(|scenario| Portion {
            scenario,
            cases: scenario.cases.iter().collect(),
        })
        .collect();
    let mut red = BTreeSet::new();
    let mut system = None;
    run_portions(
        &host(),
        REFERENCE,
        &portions,
        &settings,
        &mut Summary::default(),
        &mut |event| match event {
            Event::PlatformReady { hello, .. } => system = Some(hello.system.clone()),
            Event::ScenarioFinished(result) => {
                for (judgement, _) in &result.cases {
                    let broken = judgement
                        .claims
                        .iter()
                        .filter(|claim| claim.level == level && !claim.holds());
                    red.extend(broken.map(|claim| format!("{} {}", result.scenario.id, claim.id)));
                }
            }
            _ => {}
        },
    );
    (red, system.expect("the agent said hello"))
}
