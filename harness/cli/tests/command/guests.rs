//! Guests by the command: what is missing is said, what dies costs what it was doing. Programs in them: `programs`.
//!
//! A guest is started only where everything is at hand: an emulator, an agent in `target/agents`, a kernel in the
//! cache. What that leaves out is said past the capture of tests, with the way to get it; with
//! `REUSESPEC_GUESTS=require`, as in CI, it is a failure.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reusespec_platforms::guest::is_tested;

use crate::deaths::{children, wait_for};
use crate::fixture::{Answer, Fixture, SHARING, WAITING};

const GUEST: &str = "linux-6.12";

#[test]
fn an_emulator_that_is_not_installed_breaks_the_cases_and_says_how_to_get_it() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let mut command = fixture.command();
    command.args(["run", "--platform", "linux-s390x", "--format", "json"]);
    let answer = Answer::of(command.env("PATH", fixture.path()).output().unwrap());
    assert_eq!(answer.status, 69, "{answer:?}");
    assert_eq!(answer.summary()["broken"], 2);
    assert!(
        answer.stdout.contains("apt install qemu-system-misc"),
        "{}",
        answer.stdout
    );
}

#[test]
fn a_platform_that_does_not_exist_is_wrong_input() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let answer = fixture.run(&["run", "--platform", "linux-9"]);
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(
        answer.stderr.contains("no platform `linux-9`"),
        "{}",
        answer.stderr
    );
    let answer = fixture.run(&["exec", "host", "--", "/bin/true"]);
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.stderr.contains("host is no guest"), "{}", answer.stderr);
}

#[test]
fn a_guest_that_is_killed_costs_the_case_it_was_executing() {
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[("sharing", SHARING), ("waiting", WAITING)]);
    let mut command = fixture.command();
    command.args(["run", "--platform", GUEST, "--format", "json", "--jobs", "1"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let own = i32::try_from(child.id()).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    // The cases that end at once are told; what the guest is left with waits for a connection.
    for _ in 0..2 {
        stdout.read_line(&mut told).unwrap();
    }
    let qemu = wait_for("an emulator", || {
        children(own).into_iter().find(|child| is_qemu(*child))
    });
    let mut since = (0, Instant::now());
    wait_for("an idle guest", || {
        let used = processor_ticks(qemu);
        if used > since.0 + NEXT_TO_NOTHING_TICKS {
            since = (used, Instant::now());
        }
        (since.1.elapsed() > IDLE).then_some(())
    });
    kill(Pid::from_raw(qemu), Signal::SIGKILL).unwrap();
    stdout.read_to_string(&mut told).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(69), "{told}");
    let broken: Vec<_> = told
        .lines()
        .filter(|line| line.contains("\"verdict\":\"broken\""))
        .collect();
    assert_eq!(broken.len(), 1, "{told}");
    assert!(broken[0].contains("QEMU ended with signal: 9"), "{}", broken[0]);
}

/// An emulator whose guest is idle still looks at its clock now and then.
const NEXT_TO_NOTHING_TICKS: u64 = 15;
const IDLE: Duration = Duration::from_secs(1);

fn is_qemu(process: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.starts_with("qemu")
}

/// Hundredths of a second of processor time, as proc(5) counts them.
fn processor_ticks(process: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}
