//! The virtual clock: hours pass in seconds, and two runs are identical.

use std::time::Instant;

use reusespec_platforms::qemu::{Guest, Launch};
use rstest::rstest;

use super::setup::{Session, Setup};

fn run(setup: &Setup, input: &str) -> Vec<String> {
    let guest = Guest::start(Launch {
        input: Some(input.as_bytes()),
        ..setup.launch()
    })
    .expect("the guest starts");
    let mut session = Session::with(guest);
    (0..=input.lines().count()).map(|_| session.read_line()).collect()
}

#[rstest]
#[case::linux_6_1("linux-6.1-virtual")]
#[case::arm64("linux-arm64-virtual")]
fn two_hours_of_sleep_pass_in_seconds(#[case] platform: &str) {
    let Some(setup) = Setup::of(platform) else { return };
    let started = Instant::now();
    let lines = run(&setup, "sleep 7200\noff\n");
    assert!(lines[1].starts_with("7200.0"), "{lines:?}");
    // The failure would be two hours of real time. The benchmark measures the exact figure.
    assert!(started.elapsed().as_secs() < 120);
}

#[test]
fn two_runs_with_one_seed_are_identical() {
    let Some(setup) = Setup::of("linux-6.12-virtual") else {
        return;
    };
    let input = "clock\nrandom\nsleep 1\nsleep 75\nrandom\nsleep 600\nclock\noff\n";
    let first = run(&setup, input);
    assert!(first[3].starts_with("1.0") && first[8] == "bye", "{first:?}");
    assert_eq!(run(&setup, input), first);
}
