//! A row that differs from a snapshot fails the run if the snapshot was reviewed for this kernel, and is shown
//! otherwise.

use std::fs;

use crate::fixture::{Fixture, SHARING};

/// Writes a snapshot of `SHARING` that was reviewed for `kernel`. `plain` is the cell of the plain case.
fn snapshot(fixture: &Fixture, kernel: &str, plain: &str) {
    let table = format!(
        "---\nsource: test\n---\nscenario  port-reuse/sharing\nkernel  {kernel}\nimplementation  kernel\n\n\
         new         rebind\nplain       {plain}\nreuse-port  EADDRINUSE\n"
    );
    let folder = fixture.family().join("snapshots/kernel");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("sharing@linux.snap"), table).unwrap();
}

fn this_kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit());
    format!("linux-{}.{}", numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_row_that_equals_the_snapshot_is_not_shown() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    snapshot(&fixture, &this_kernel(), "EADDRINUSE");
    let answer = fixture.run(&["run"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.contains("(2 pass)"), "{}", answer.stdout);
}

#[test]
fn a_row_that_changed_fails_the_run_and_is_shown() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    snapshot(&fixture, &this_kernel(), "ok");
    let answer = fixture.run(&["run"]);
    assert_eq!(answer.status, 1);
    let rows = "1 rows differ from";
    assert!(answer.stdout.contains(rows) && answer.stdout.contains("/sharing@linux.snap"));
    assert!(answer.stdout.contains("- plain  ok"), "{}", answer.stdout);
    assert!(answer.stdout.contains("+ plain  EADDRINUSE"), "{}", answer.stdout);
    let lines = fixture.run(&["run", "--format", "json"]).json();
    assert_eq!(
        (&lines[0]["changed"], &lines[1]["changed"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn a_kernel_that_was_not_reviewed_shows_its_rows_and_fails_nothing() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    snapshot(&fixture, "linux-2.4", "ok");
    let answer = fixture.run(&["run"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(
        answer.stdout.contains("1 rows new for this kernel"),
        "{}",
        answer.stdout
    );
}

#[test]
fn a_run_of_chosen_cases_compares_only_their_rows() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    snapshot(&fixture, &this_kernel(), "ok");
    assert_eq!(fixture.run(&["run", "--case", "new=reuse-port"]).status, 0);
    assert_eq!(fixture.run(&["run", "--case", "new=plain"]).status, 1);
}
