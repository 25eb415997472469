//! Killed and interrupted processes: only their own cases are lost, a report is written, and no process is left.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixture::{Fixture, Output, SHARING, WAITING};

/// Far longer than the lifetime of a case that does not wait.
const SETTLED: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(20);

/// Children of a process, by the parent that /proc/PID/stat names.
pub(crate) fn children(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    let parent_of = |process: i32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
    };
    numbers
        .filter(|process| parent_of(*process) == Some(parent))
        .collect()
}

#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// Starts a run of `WAITING`. Returns it with the process ids of its agent and of its waiting case.
fn waiting_run(fixture: &Fixture) -> (Child, i32, i32) {
    let mut command = fixture.command();
    command.args(["run", "--format", "json", "--jobs", "1"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let command = i32::try_from(child.id()).unwrap();
    let agent = wait_for("an agent", || children(command).first().copied());
    // The other children of the agent, trials and quick cases, end long before `SETTLED` has passed.
    let mut known: Option<(i32, Instant)> = None;
    let case = wait_for("a waiting case", || {
        let is_case = |case: &i32| {
            let name = fs::read_to_string(format!("/proc/{case}/comm")).unwrap_or_default();
            name.trim() == "reusespec-case"
        };
        let cases: Vec<_> = children(agent).into_iter().filter(is_case).collect();
        known = match (known, cases.as_slice()) {
            (Some((case, since)), [one]) if case == *one => Some((case, since)),
            (_, [one]) => Some((*one, Instant::now())),
            _ => None,
        };
        known.and_then(|(case, since)| (since.elapsed() > SETTLED).then_some(case))
    });
    (child, agent, case)
}

fn verdicts(output: &Output) -> Vec<(String, String)> {
    let lines = output.json();
    let cases = lines.iter().filter(|line| line.get("verdict").is_some());
    cases
        .map(|line| {
            (
                line["case"].to_string(),
                line["verdict"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn a_killed_case_is_broken_and_the_others_are_not() {
    let fixture = Fixture::with(&[("sharing", SHARING), ("waiting", WAITING)]);
    let (child, _, case) = waiting_run(&fixture);
    kill(Pid::from_raw(case), Signal::SIGKILL).unwrap();
    let output = Output::of(child.wait_with_output().unwrap());
    assert_eq!(output.status, 69, "{output:?}");
    let verdicts = verdicts(&output);
    let broken: Vec<_> = verdicts
        .iter()
        .filter(|(_, verdict)| verdict == "broken")
        .collect();
    assert_eq!(broken, [&(r#"{"kind":"tcp4"}"#.to_owned(), "broken".to_owned())]);
    assert_eq!(verdicts.len(), 4);
    assert!(output.stdout.contains("killed by SIGKILL"), "{}", output.stdout);
}

#[test]
fn a_killed_agent_breaks_only_the_case_it_was_executing() {
    let fixture = Fixture::with(&[("sharing", SHARING), ("waiting", WAITING)]);
    let (child, agent, case) = waiting_run(&fixture);
    kill(Pid::from_raw(agent), Signal::SIGKILL).unwrap();
    let output = Output::of(child.wait_with_output().unwrap());
    assert_eq!(output.status, 69, "{output:?}");
    let broken = verdicts(&output)
        .into_iter()
        .filter(|(_, verdict)| verdict == "broken")
        .count();
    assert_eq!(broken, 1, "{}", output.stdout);
    assert!(
        output.stderr.contains("restarting it for the remaining"),
        "{}",
        output.stderr
    );
    wait_for("the end of the case", || (!is_alive(case)).then_some(()));
}

#[test]
fn an_interrupted_run_writes_its_report_and_leaves_no_process() {
    let fixture = Fixture::with(&[("waiting", WAITING)]);
    let (child, agent, case) = waiting_run(&fixture);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = Output::of(child.wait_with_output().unwrap());
    assert_eq!(output.status, 69, "{output:?}");
    assert_eq!(output.summary()["broken"], 2);
    assert!(output.stdout.contains("interrupted"), "{}", output.stdout);
    wait_for("the end of the processes", || {
        (!is_alive(agent) && !is_alive(case)).then_some(())
    });
}

#[test]
fn a_killed_command_leaves_no_process() {
    let fixture = Fixture::with(&[("waiting", WAITING)]);
    let (mut child, agent, case) = waiting_run(&fixture);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the end of the processes", || {
        (!is_alive(agent) && !is_alive(case)).then_some(())
    });
}

/// Whether the process exists and is not a zombie.
fn is_alive(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
