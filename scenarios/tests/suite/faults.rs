//! The claims about implementations can fail: each known bug turns one red, and each is turned red by one.
//!
//! Faults run on a sample of cases first: the first and the last one each claim speaks of. What the sample leaves open is
//! looked for in all cases. That a fault is caught, or a claim turned red, needs one case, so a sample can miss it but
//! never invent it. FastCGI and HTTP have many faults, and their cases wait rather than compute, so these run side by
//! side; keepalive would wait for its own lateness.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use reusespec::faults::{self, Fault};
use reusespec::library::Library;
use reusespec::plan::{Portion, REFERENCE};
use reusespec_core::{Case, Family, Level, Scenario, Subject, System};
use rstest::rstest;

use crate::fixture::{root, run};

/// Faults that no Linux kernel can show, because the option or rule they break is a BSD's.
const ONLY_ON_BSDS: [&str; 2] = ["multicast-without-reuse-port", "balanced-with-plain-reuse-port"];

/// Faults against a SHOULD: no must-claim can speak of them, a should-claim does.
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
#[case(Family::PortReuse, 1)]
#[case(Family::Keepalive, 1)]
#[case(Family::Fastcgi, 4)]
#[case(Family::Http, 4)]
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

/// Tries faults, so many side by side. Returns the claims of a level they turn red, and the faults that turn none red.
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

/// Of the must-claims that some case here could be held against; the others are named, past the capture of tests.
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

/// Which cases of a scenario are executed.
type Choose = for<'s> fn(&'s Scenario) -> Vec<&'s Case>;

fn every_case(scenario: &Scenario) -> Vec<&Case> {
    scenario.cases.iter().collect()
}

/// The first and the last case each claim speaks of.
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

/// What became of the claims of a level, as `scenario claim`.
struct Judged {
    /// Those that some case was held against.
    all: BTreeSet<String>,
    /// Those that do not hold in some case.
    red: BTreeSet<String>,
    /// The system they were judged on.
    system: System,
}

fn judged(scenarios: &[&Scenario], choose: Choose, fault: Option<&Fault>, level: Level) -> Judged {
    let portions: Vec<_> = scenarios
        .iter()
        .map(|scenario| Portion {
            scenario,
            cases: choose(scenario),
        })
        .collect();
    let ((system, _), results) = run(REFERENCE, &portions, fault.map(|fault| fault.note.name));
    let (mut all, mut red) = (BTreeSet::new(), BTreeSet::new());
    for ran in results {
        let claims = ran.judgements.iter().flat_map(|judgement| &judgement.claims);
        for claim in claims.filter(|claim| claim.level == level) {
            let name = format!("{} {}", ran.scenario.id, claim.id);
            if !claim.holds() {
                red.insert(name.clone());
            }
            all.insert(name);
        }
    }
    Judged { all, red, system }
}
