//! Scenarios in guests, held against the same tables as on this machine; and hours that pass in seconds, twice.
//!
//! Guests are started only where everything is at hand; what that leaves out is said past the capture of tests, and is
//! a failure with `REUSESPEC_GUESTS=require`. One guest serves all scenarios of a test. Whole families on every kernel
//! are a stage of CI: here it is one of each kind of machine.

use reusespec::event::{Event, Summary};
use reusespec::library::Library;
use reusespec::plan::{Selection, plan};
use reusespec::platforms::{self, OwnKernel};
use reusespec::run::{Settings, run};
use reusespec_core::{Observation, Observed, Verdict};
use reusespec_platforms::guest::is_tested;
use rstest::rstest;

use crate::ground::root;

/// What a run came to, its observations, and what went wrong in it.
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
                if matches!(judgement.verdict, Verdict::Fail | Verdict::Broken) {
                    let because = judgement.because.unwrap_or_default();
                    trouble.push(format!("{} {because} {:?}", judgement.key, judgement.observed));
                }
                observations.extend(judgement.observed);
            }
        }
        Event::Note(note) => eprintln!("note: {note}"),
        _ => {}
    });
    (summary, observations, trouble)
}

#[rstest]
#[case::little_endian("linux-6.12", &["port-reuse/"])]
#[case::big_endian("linux-s390x", &["port-reuse/same-address", "port-reuse/default-options", "keepalive/option-limits"])]
fn a_reviewed_kernel_does_what_its_tables_say(#[case] platform: &str, #[case] filters: &[&str]) {
    if !is_tested(platform) {
        return;
    }
    let (summary, _, trouble) = observe(platform, filters);
    assert_eq!(summary.exit_status(), 0, "{trouble:#?}");
    assert_eq!(summary.new_rows, 0);
    assert!(summary.count(Verdict::Pass) > 0);
}

/// QEMU 7.2 wakes an idle CPU some microseconds late now and then, in a way that its seed does not decide.
const JITTER_US: u64 = 1000;

#[test]
fn two_hours_of_keepalive_are_the_same_to_the_millisecond_each_time() {
    let platform = "linux-6.12-virtual";
    if !is_tested(platform) {
        return;
    }
    let [first, second] = [(); 2].map(|()| {
        let (summary, observations, trouble) = observe(platform, &["keepalive/default-schedule"]);
        assert_eq!((summary.exit_status(), summary.cases()), (0, 1), "{trouble:#?}");
        match observations.as_slice() {
            [
                Observation {
                    seen: Observed::Timed(timed),
                    ..
                },
            ] => timed.clone(),
            other => panic!("one time was asked for: {other:?}"),
        }
    });
    assert_eq!(
        (&first.outcome, &first.cell, &first.forms),
        (&second.outcome, &second.cell, &second.forms)
    );
    let [first, second] =
        [first, second].map(|timed| [timed.probes_us, vec![timed.at_us.unwrap_or(0)]].concat());
    assert_eq!(first.len(), 10, "nine probes and the end: {first:?}");
    for (first, second) in first.iter().zip(&second) {
        assert!(first.abs_diff(*second) < JITTER_US, "{first} {second}");
    }
}
