//! How long guests take on this machine: `cargo bench -p reusespec-platforms [-- PLATFORM…]`.
//!
//! Medians of five, in seconds of real time, translated (no KVM): from the start of QEMU until the agent serves,
//! booted and restored, and until it has exited; with the virtual clock, until two hours of sleep are over and QEMU
//! has ended. Nothing else should run on the machine.

use std::time::{Duration, Instant};

use reusespec_platforms::{
    profile::names,
    qemu::{Guest, Launch, Start},
};

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/guests/setup.rs"]
mod setup;

use setup::{Setup, Talk};

const RUNS: usize = 5;

fn main() {
    let chosen: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for name in names().filter(|name| chosen.is_empty() || chosen.contains(name)) {
        let Some(setup) = Setup::of(&name) else { continue };
        if name.ends_with("-virtual") {
            let slept = median(|| sleep_two_hours(&setup));
            eprintln!("{name:22} two hours of sleep, power-on to exit {slept:.2}");
            continue;
        }
        let cold = median(|| serve(&setup, false).0);
        let exit = median(|| serve(&setup, false).1);
        serve(&setup, true);
        let warm = median(|| serve(&setup, true).0);
        eprintln!("{name:22} cold {cold:.2}  cold and exit {exit:.2}  warm {warm:.2}");
    }
}

/// Until the first line of the agent, and until QEMU has ended.
fn serve(setup: &Setup, warm: bool) -> (Duration, Duration) {
    let started = Instant::now();
    let mut talk = Talk::with(
        Guest::start(Launch {
            warm,
            ..setup.launch()
        })
        .expect("the guest starts"),
    );
    assert!(talk.hear().starts_with("hello"));
    let first_line = started.elapsed();
    assert!(warm || talk.guest.started() == Start::Cold);
    talk.ask("off");
    talk.guest.wait(Duration::from_secs(60)).expect("the guest ends");
    (first_line, started.elapsed())
}

fn sleep_two_hours(setup: &Setup) -> Duration {
    let started = Instant::now();
    let input = Some(&b"sleep 7200\noff\n"[..]);
    let mut talk = Talk::with(
        Guest::start(Launch {
            input,
            ..setup.launch()
        })
        .expect("the guest starts"),
    );
    while !talk.hear().is_empty() {}
    talk.guest.wait(Duration::from_secs(60)).expect("the guest ends");
    started.elapsed()
}

fn median(mut measure: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<_> = (0..RUNS).map(|_| measure()).collect();
    times.sort();
    times[RUNS / 2].as_secs_f64()
}
