//! The claims about implementations can fail: every fault of the reference fails a claim, and every must-claim fails
//! with some fault.
//!
//! Each fault first runs on a sample: the first and the last case of each claim. Then all cases run for the faults and
//! claims that the sample did not settle. One case is enough to prove that a claim fails, so a sample can miss a proof
//! but not give a wrong one. The faults of FastCGI and HTTP run concurrently, because there are many of them and their
//! cases mostly wait. The faults of keepalive run one after the other, because load would make their timers late.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use reusespec::faults::{self, Fault};
use reusespec::library::Library;
use reusespec::plan::{REFERENCE, ScenarioCases};
use reusespec_core::{Case, Family, Level, Scenario, Subject, System};
use rstest::rstest;

use crate::fixture::{root, run};

/// Faults that have no effect on Linux, because the option or rule that they break exists only on the BSDs.
const ONLY_ON_BSDS: [&str; 2] = ["multicast-without-reuse-port", "balanced-with-plain-reuse-port"];

/// Faults against a SHOULD of a specification. A should-claim detects them instead of a must-claim.
const ONLY_AGAINST_A_SHOULD: [&str; 24] = [
    "fcgi-active-id-replaced",
    "fcgi-unbounded-ids",
    "fcgi-reset-on-close",
    "fcgi-one-connection",
    "fcgi-version-ignored",
    "fcgi-second-stdin-end-closes",
    "fcgi-stdin-blocks-connection",
    "http-never-persists",
    "http-drops-half-closed",
    "http-close-in-continue",
    "http-empty-line-refused",
    "http-head-unlimited",
    "http-asterisk-refused",
    "http-keepalive-unsaid-to-1.0",
    "http-rst-on-unread-body",
    "http-idle-never-times-out",
    "http-limit-unannounced",
    "http-newer-minor-refused",
    "http-other-major-served",
    "http-ignores-enable",
    "http-idle-told-408",
    "http-closes-mid-header",
    "http-open-after-sent-head",
    "http-unused-closed-at-once",
];

#[rstest]
#[case::port_reuse(Family::PortReuse, 1)]
#[case::keepalive(Family::Keepalive, 1)]
#[case::fastcgi(Family::Fastcgi, 4)]
#[case::http(Family::Http, 4)]
fn every_fault_is_caught_and_every_must_claim_catches_one(
    #[case] family: Family,
    #[case] side_by_side: usize,
) {
    let root = root();
    let library = Library::load(&root).unwrap();
    let scenarios = of_family(&library, family);
    let sound = judged(&scenarios, every_case, None, Level::Must);
    let broken = &sound.red;
    assert!(
        broken.is_empty(),
        "the reference without a fault breaks {broken:?}"
    );
    let of_family = faults::all().into_iter().filter(|fault| fault.family == family);
    let (against_a_should, against_a_must): (Vec<_>, Vec<_>) =
        of_family.partition(|fault| ONLY_AGAINST_A_SHOULD.contains(&fault.note.name));
    let try_all = |choose, faults: &[Fault], level| tried(&scenarios, choose, faults, level, side_by_side);
    let cannot_show = |fault: &Fault| sound.system.name == "linux" && ONLY_ON_BSDS.contains(&fault.note.name);
    let mut caught = BTreeSet::new();
    for (faults, level) in [(&against_a_should, Level::Should), (&against_a_must, Level::Must)] {
        let (red, missed) = try_all(sample as Choose, faults, level);
        let (more, mut missed) = try_all(every_case, &missed, level);
        missed.retain(|fault| !cannot_show(fault));
        assert!(missed.is_empty(), "no {}-claim catches {missed:#?}", level.name());
        if level == Level::Must {
            caught.extend(red);
            caught.extend(more);
        }
    }
    let open: Vec<_> = sound.all.difference(&caught).collect();
    let is_open = |scenario: &&Scenario| {
        let of_it = |claim: &String| claim.split(' ').next() == Some(scenario.id.as_str());
        open.iter().copied().any(of_it)
    };
    let left: Vec<_> = scenarios.iter().copied().filter(is_open).collect();
    if !left.is_empty() {
        caught.extend(tried(&left, every_case, &against_a_must, Level::Must, side_by_side).0);
    }
    assert_all_caught(&scenarios, &sound, &caught);
}

/// Runs faults, `side_by_side` of them concurrently. Returns the claims of the level that fail, and the faults with
/// which none fails.
fn tried(
    scenarios: &[&Scenario],
    choose: Choose,
    faults: &[Fault],
    level: Level,
    side_by_side: usize,
) -> (BTreeSet<String>, Vec<Fault>) {
    let next = AtomicUsize::new(0);
    let results = Mutex::new((BTreeSet::new(), Vec::new()));
    thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let red = judged(scenarios, choose, Some(fault), level).red;
                    let mut results = results.lock().expect("no pass panicked");
                    if red.is_empty() {
                        results.1.push(*fault);
                    }
                    results.0.extend(red);
                }
            });
        }
    });
    results.into_inner().expect("no pass panicked")
}

/// Asserts that every must-claim which a case here was judged by fails with some fault. Prints the other must-claims to
/// a stream that tests do not capture.
fn assert_all_caught(scenarios: &[&Scenario], sound: &Judged, caught: &BTreeSet<String>) {
    for claim in must_claims(scenarios, &sound.system).difference(&sound.all) {
        let line = format!("left out: {claim}: none of its cases is supported here\n");
        io::stderr()
            .write_all(line.as_bytes())
            .expect("standard error is open");
    }
    let uncaught: Vec<_> = sound.all.difference(caught).collect();
    assert!(
        uncaught.is_empty(),
        "no fault turns these must-claims red: {uncaught:#?}"
    );
}

fn of_family(library: &Library, family: Family) -> Vec<&Scenario> {
    let of_family =
        |scenario: &&Scenario| scenario.family == family && scenario.subject == Subject::Implementation;
    library.scenarios.iter().filter(of_family).collect()
}

/// Chooses the cases of a scenario to execute.
type Choose = for<'s> fn(&'s Scenario) -> Vec<&'s Case>;

fn every_case(scenario: &Scenario) -> Vec<&Case> {
    scenario.cases.iter().collect()
}

/// The first and the last case of each claim.
fn sample(scenario: &Scenario) -> Vec<&Case> {
    let ends = scenario.claims.iter().flat_map(|claim| {
        let mut cases = scenario.cases.iter().filter(|case| claim.when.admits(&case.key));
        let first = cases.next();
        [first, cases.next_back()].into_iter().flatten()
    });
    let ends: Vec<_> = ends.map(|case| &case.key).collect();
    scenario
        .cases
        .iter()
        .filter(|case| ends.contains(&&case.key))
        .collect()
}

/// The must-claims that apply to this system, written `scenario claim`.
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

/// The claims of a level, written `scenario claim`.
struct Judged {
    /// The claims that a case was judged by.
    all: BTreeSet<String>,
    /// The claims that do not hold in some case.
    red: BTreeSet<String>,
    /// The system of the run.
    system: System,
}

fn judged(scenarios: &[&Scenario], choose: Choose, fault: Option<&Fault>, level: Level) -> Judged {
    let chosen: Vec<_> = scenarios
        .iter()
        .map(|scenario| ScenarioCases {
            scenario,
            cases: choose(scenario),
        })
        .collect();
    let (system, runs) = run(REFERENCE, &chosen, fault.map(|fault| fault.note.name));
    let (mut all, mut red) = (BTreeSet::new(), BTreeSet::new());
    for run in runs {
        let claims = run.judgements.iter().flat_map(|judgement| &judgement.claims);
        for claim in claims.filter(|claim| claim.level == level) {
            let name = format!("{} {}", run.scenario.id, claim.id);
            if !claim.holds() {
                red.insert(name.clone());
            }
            all.insert(name);
        }
    }
    Judged { all, red, system }
}
