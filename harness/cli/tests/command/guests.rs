//! Guests started by the command: missing programs and killed guests. `programs` tests programs in guests.
//!
//! A test starts a guest only if the emulator, the agent (in `target/agents`) and the kernel (in the cache) are there.
//! Otherwise it prints what is missing and how to get it, and is left out. With `REUSESPEC_GUESTS=require`, as in CI, it
//! fails instead.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reusespec_platforms::guest::is_tested;

use crate::deaths::{children, wait_for};
use crate::fixture::{Fixture, Output, SHARING, WAITING};

const GUEST: &str = "linux-6.12";

#[test]
fn a_missing_emulator_breaks_the_cases_and_names_its_package() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let mut command = fixture.command();
    command.args(["run", "--platform", "linux-s390x", "--format", "json"]);
    let output = Output::of(command.env("PATH", fixture.path()).output().unwrap());
    assert_eq!(output.status, 69, "{output:?}");
    assert_eq!(output.summary()["broken"], 2);
    assert!(
        output.stdout.contains("apt install qemu-system-misc"),
        "{}",
        output.stdout
    );
}

#[test]
fn gvisor_runs_cases_without_a_virtual_machine() {
    if !is_tested("gvisor") {
        return;
    }
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let output = fixture.run(&["run", "--platform", "gvisor", "--format", "json"]);
    assert_eq!(output.summary()["broken"], 0, "{output:?}");
    assert_eq!(output.summary()["pass"], 2, "{output:?}");
    assert!(
        output.stdout.contains(r#""kernel":"gvisor-20"#),
        "{}",
        output.stdout
    );
}

#[test]
fn an_unknown_platform_is_wrong_input() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let output = fixture.run(&["run", "--platform", "linux-9"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(
        output.stderr.contains("no platform `linux-9`"),
        "{}",
        output.stderr
    );
    let output = fixture.run(&["exec", "host", "--", "/bin/true"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("host is not a guest"), "{}", output.stderr);
}

#[test]
fn a_killed_guest_breaks_only_the_case_it_was_executing() {
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
    let mut lines = String::new();
    // The two cases that end at once are reported; the remaining case waits for a connection.
    for _ in 0..2 {
        stdout.read_line(&mut lines).unwrap();
    }
    let qemu = wait_for("an emulator", || {
        children(own).into_iter().find(|child| is_qemu(*child))
    });
    let mut busy = (0, Instant::now());
    wait_for("an idle guest", || {
        let used = processor_ticks(qemu);
        if used > busy.0 + IDLE_TICKS {
            busy = (used, Instant::now());
        }
        (busy.1.elapsed() > IDLE).then_some(())
    });
    kill(Pid::from_raw(qemu), Signal::SIGKILL).unwrap();
    stdout.read_to_string(&mut lines).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(69), "{lines}");
    let broken: Vec<_> = lines
        .lines()
        .filter(|line| line.contains("\"verdict\":\"broken\""))
        .collect();
    assert_eq!(broken.len(), 1, "{lines}");
    assert!(broken[0].contains("QEMU ended with signal: 9"), "{}", broken[0]);
}

/// Even with an idle guest an emulator uses a little processor time for its clock.
const IDLE_TICKS: u64 = 15;
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
