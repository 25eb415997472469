//! What guests cost on this machine, against what they may: `cargo build --release && cargo bench -p
//! reusespec-platforms [-- WORD…]`, where a word is a platform or one of `exec`, `families`, `virtual`.
//!
//! Translated, no KVM. Each figure is the median of some runs in seconds of real time, what part of its limit that is,
//! and the seconds of a processor it took: those tell, where something else runs on the machine, whether the guest or the
//! machine was slow.
//!
//! Boots and restores are measured with the drill agent, everything else with the command as users have it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use reusespec_platforms::{
    profile::{BootMethod, PlatformProfile, names},
    qemu::{Guest, Launch, Start},
};

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/guests/setup.rs"]
mod setup;

use setup::{Session, Setup};

/// Of short measurements; one that takes a minute is taken once.
const RUNS: usize = 5;
/// The kernels of which the default keepalive is watched to its end.
const WATCHED: [&str; 4] = ["linux-5.10", "linux-6.1", "linux-6.12", "linux-7"];
/// The guest of the other measurements.
const GUEST: &str = "linux-6.12";

/// What something took.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    /// Seconds by the clock.
    real: f64,
    /// Seconds of a processor, of every process that was started for it.
    computed: f64,
}

fn main() {
    let chosen: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |word: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == word);
    for name in names().filter(|name| !name.ends_with("-virtual") && wanted(name)) {
        boots(&name);
    }
    let Some(command) = command() else {
        eprintln!("no reusespec beside this benchmark: cargo build --release");
        return;
    };
    let run = |arguments: &[&str]| cost(|| execute(&command, arguments));
    if let Some(setup) = Setup::of(GUEST).filter(|_| wanted("exec")) {
        // Where it is not the first process it says so and ends.
        let program = setup.agent.to_string_lossy().into_owned();
        let arguments = ["exec", GUEST, "--", &program];
        run(&arguments);
        say(
            "exec of a program that only exits, warm",
            0.6,
            median(|| run(&arguments)),
        );
    }
    if wanted("families") {
        let arguments = ["run", "port-reuse", "--platform", GUEST];
        say("port-reuse in a guest", 60.0, run(&arguments));
        say(
            "all families in a guest",
            150.0,
            run(&["run", "--platform", GUEST]),
        );
    }
    for name in WATCHED.into_iter().filter(|_| wanted("virtual")) {
        let platform = format!("{name}-virtual");
        if let Some(setup) = Setup::of(&platform) {
            say(
                &format!("two hours of sleep, {name}"),
                30.0,
                cost(|| sleep_two_hours(&setup)),
            );
        }
        let arguments = ["run", "keepalive/default-schedule", "--platform", &platform];
        let what = format!("default keepalive to death, {name}");
        say(&what, 30.0, run(&arguments));
    }
}

/// The command, built in the same profile.
fn command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let command = own.parent()?.parent()?.join("reusespec");
    command.is_file().then_some(command)
}

fn execute(command: &PathBuf, arguments: &[&str]) {
    let status = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let status = status.expect("the command can be started");
    assert!(status.success(), "{arguments:?} ended with {status}");
}

/// Power-on to an agent that serves, booted and restored.
///
/// The drill agent comes in an archive: no guest that boots from a disk is measured.
fn boots(name: &str) {
    if !matches!(
        PlatformProfile::find(name).map(|profile| profile.boot_method()),
        Ok(Ok(BootMethod::Archive))
    ) {
        return;
    }
    let Some(setup) = Setup::of(name) else { return };
    let limit = match setup.profile.machine.as_str() {
        "x86_64" | "aarch64" => 2.5,
        _ => 4.0,
    };
    say(
        &format!("{name}, power-on to ready"),
        limit,
        median(|| cost(|| serve(&setup, false))),
    );
    serve(&setup, true);
    say(
        &format!("{name}, restored"),
        0.4,
        median(|| cost(|| serve(&setup, true))),
    );
}

/// Until the first line of the agent.
fn serve(setup: &Setup, warm: bool) {
    let launch = Launch {
        warm,
        ..setup.launch()
    };
    let mut session = Session::with(Guest::start(launch).expect("the guest starts"));
    assert!(session.read_line().starts_with("hello"));
    assert!(warm || session.guest.started() == Start::Cold);
    session.guest.kill();
}

/// What no watching of two hours can be quicker than.
fn sleep_two_hours(setup: &Setup) {
    let input = Some(&b"sleep 7200\noff\n"[..]);
    let launch = Launch {
        input,
        ..setup.launch()
    };
    let mut session = Session::with(Guest::start(launch).expect("the guest starts"));
    while !session.read_line().is_empty() {}
    session
        .guest
        .wait(Duration::from_secs(60))
        .expect("the guest ends");
}

fn cost(measured: impl FnOnce()) -> Cost {
    let (before, begun) = (computed(), Instant::now());
    measured();
    Cost {
        real: begun.elapsed().as_secs_f64(),
        computed: (computed() - before).as_secs_f64(),
    }
}

/// The processor's time of all processes that have ended below this one.
fn computed() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every system counts it");
    let parts = [usage.user_time(), usage.system_time()];
    parts
        .into_iter()
        .map(|time| Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64))
        .sum()
}

fn median(measure: impl FnMut() -> Cost) -> Cost {
    let mut costs: Vec<_> = std::iter::repeat_with(measure).take(RUNS).collect();
    costs.sort_by(|one, other| one.real.total_cmp(&other.real));
    costs[RUNS / 2]
}

fn say(what: &str, limit: f64, cost: Cost) {
    let (real, computed) = (cost.real, cost.computed);
    let part = real / limit;
    eprintln!("{what:44} {real:7.2} s  {part:5.2} of {limit:5} s  {computed:7.2} s of a processor");
}
