//! Measures guests on this machine against limits: `cargo build --release && cargo bench -p reusespec-platforms
//! [-- WORD…]`, where a word is a platform or one of `exec`, `families`, `virtual`.
//!
//! All guests use TCG, not KVM. Each line has the median of several runs in seconds of real time, its ratio to the
//! limit, and the CPU seconds. The CPU seconds show whether the guest was slow or another load delayed it.
//!
//! Boots and restores are measured with the drill agent, everything else with the command `reusespec`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use reusespec_platforms::{
    profile::{BootMethod, PlatformProfile, names},
    qemu::{Guest, Launch, Start},
};

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/guests/setup.rs"]
mod setup;

use setup::{Session, Setup};

/// The number of runs of a short measurement. Long ones run once.
const RUNS: usize = 5;
/// The kernels whose default keepalive schedule is measured.
const WATCHED: [&str; 4] = ["linux-5.10", "linux-6.1", "linux-6.12", "linux-7"];
/// The guest of the other measurements.
const GUEST: &str = "linux-6.12";

/// The cost of one run.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    /// Seconds of real time.
    real: f64,
    /// CPU seconds of all processes that were started for it.
    cpu: f64,
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
        // Not being the first process of a guest, the drill agent prints that and exits.
        let program = setup.agent.to_string_lossy().into_owned();
        let arguments = ["exec", GUEST, "--", &program];
        run(&arguments);
        print(
            "exec of a program that only exits, warm",
            0.6,
            median(|| run(&arguments)),
        );
    }
    if wanted("families") {
        let arguments = ["run", "port-reuse", "--platform", GUEST];
        print("port-reuse in a guest", 60.0, run(&arguments));
        print(
            "all families in a guest",
            150.0,
            run(&["run", "--platform", GUEST]),
        );
    }
    for name in WATCHED.into_iter().filter(|_| wanted("virtual")) {
        let platform = format!("{name}-virtual");
        if let Some(setup) = Setup::of(&platform) {
            print(
                &format!("two hours of sleep, {name}"),
                30.0,
                cost(|| sleep_two_hours(&setup)),
            );
        }
        let arguments = ["run", "keepalive/default-schedule", "--platform", &platform];
        let what = format!("default keepalive to death, {name}");
        print(&what, 30.0, run(&arguments));
    }
}

/// The command `reusespec`, built with the same cargo profile.
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

/// Measures the time from power-on until the agent serves, for a boot and a restore.
///
/// Only guests that boot into an initramfs are measured, because the drill agent needs one.
fn boots(name: &str) {
    if !matches!(
        PlatformProfile::find(name).map(|profile| profile.boot_method()),
        Ok(Ok(BootMethod::Initramfs))
    ) {
        return;
    }
    let Some(setup) = Setup::of(name) else { return };
    let limit = match setup.profile.machine.as_str() {
        "x86_64" | "aarch64" => 2.5,
        _ => 4.0,
    };
    print(
        &format!("{name}, power-on to ready"),
        limit,
        median(|| cost(|| serve(&setup, false))),
    );
    serve(&setup, true);
    print(
        &format!("{name}, restored"),
        0.4,
        median(|| cost(|| serve(&setup, true))),
    );
}

/// Starts the guest and waits for the agent's first line.
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

/// Sleeps two hours in virtual time: a lower bound for every case that takes two hours.
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
    let (before, begun) = (cpu_time(), Instant::now());
    measured();
    Cost {
        real: begun.elapsed().as_secs_f64(),
        cpu: (cpu_time() - before).as_secs_f64(),
    }
}

/// The CPU time of all child processes that have exited.
fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every system provides it");
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

fn print(what: &str, limit: f64, cost: Cost) {
    let (real, cpu) = (cost.real, cost.cpu);
    let part = real / limit;
    eprintln!("{what:44} {real:7.2} s  {part:5.2} of {limit:5} s  {cpu:7.2} s CPU");
}
