//! Scenarios in guests, compared with the same snapshots as on this machine; and hours of virtual time, run twice.
//!
//! A test without the emulator, the agent or the kernel it needs is skipped with a message that tests do not capture;
//! with `REUSESPEC_GUESTS=require` it fails. All scenarios of a test run in one guest. CI runs whole families on every
//! kernel; here one guest of each kind of machine is enough.

use reusespec::event::{Event, Summary};
use reusespec::library::Library;
use reusespec::plan::{Selection, plan};
use reusespec::platforms::{self, OwnKernel};
use reusespec::run::{Settings, run};
use reusespec_core::table::Comparison;
use reusespec_core::{Observation, Observed, Timed, Verdict};
use reusespec_platforms::guest::is_tested;
use rstest::rstest;

use crate::fixture::root;

/// Runs scenarios on a platform. Returns the summary, the observations, and the cases that failed, broke or changed.
fn observe(platform: &str, filters: &[&str]) -> (Summary, Vec<Observation>, Vec<String>) {
    let root = root();
    let library = Library::load(&root).expect("the scenarios have no mistakes");
    let selection = Selection {
        filters: filters.iter().map(ToString::to_string).collect(),
        ..Selection::default()
    };
    let work = plan(&library.scenarios, &selection, &[]).expect("the filters fit");
    let platforms = [platforms::find(platform, &OwnKernel::default()).expect("it comes with the program")];
    let settings = Settings::of(&root);
    let (mut observations, mut trouble) = (Vec::new(), Vec::new());
    let summary = run(&platforms, &work, &settings, &mut |event| match event {
        Event::ScenarioFinished(result) => {
            for (judgement, _) in result.cases {
                if [Verdict::Fail, Verdict::Broken].contains(&judgement.verdict) {
                    let reason = judgement.reason.unwrap_or_default();
                    trouble.push(format!("{} {reason} {:?}", judgement.key, judgement.observed));
                }
                observations.extend(judgement.observed);
            }
            if let Comparison::Changed(rows) = result.comparison {
                trouble.extend(
                    rows.iter()
                        .map(|row| format!("{} differs from its snapshot: {row:?}", result.scenario.id)),
                );
            }
        }
        Event::Note(note) => eprintln!("note: {note}"),
        Event::RunStarted { .. }
        | Event::PlatformReady { .. }
        | Event::CaseFinished(_)
        | Event::RunFinished(_) => {}
    });
    (summary, observations, trouble)
}

#[rstest]
#[case::little_endian("linux-6.12")]
#[case::big_endian("linux-s390x")]
fn a_reviewed_kernel_has_the_rows_of_its_snapshots(#[case] platform: &str) {
    if !is_tested(platform) {
        return;
    }
    let some_of_each = [
        "port-reuse/same-address",
        "port-reuse/default-options",
        "keepalive/option-limits",
    ];
    let (summary, _, trouble) = observe(platform, &some_of_each);
    assert_eq!(summary.exit_status(), 0, "{trouble:#?}");
    assert_eq!(summary.new_rows, 0);
    assert!(summary.count(Verdict::Pass) > 0);
}

fn observe_in_virtual_time(filters: &[&str]) -> Vec<Timed> {
    let (summary, observations, trouble) = observe("linux-6.12-virtual", filters);
    assert_eq!(summary.exit_status(), 0, "{trouble:#?}");
    let timed = |observation: Observation| match observation.seen {
        Observed::Timed(timed) => timed,
        other
        @ (Observed::Word(_) | Observed::Number(_) | Observed::Transcript(_) | Observed::NotReached) => {
            panic!("{} is no time: {other}", observation.label)
        }
    };
    observations.into_iter().map(timed).collect()
}

#[test]
fn hours_in_virtual_time_repeat_to_the_microsecond() {
    if !is_tested("linux-6.12-virtual") {
        return;
    }
    let filters = [
        "keepalive/default-schedule",
        "keepalive/unanswered-connect",
        "keepalive/user-timeout-of-minutes",
    ];
    let first = observe_in_virtual_time(&filters);
    assert_eq!(first[0].probes_us.len(), 9, "{:?}", first[0]);
    assert_eq!(observe_in_virtual_time(&filters), first);
}

/// Each case runs first in its guest, so its times do not depend on another case.
#[rstest]
#[case("keepalive/fin-wait-2")]
#[case("keepalive/user-timeout-of-minutes")]
fn in_virtual_time_a_case_is_independent_of_the_cases_before_it(#[case] filter: &str) {
    if is_tested("linux-6.12-virtual") {
        observe_in_virtual_time(&[filter]);
    }
}
