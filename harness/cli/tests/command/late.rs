//! A case for which the machine was late cannot be judged. It is repeated, and the summary says so.

use std::fs;

use crate::fixture::{Fixture, Output};

/// A silent peer is probed after a second.
const PROBED: &str = r#"
title = "A silent peer"
why = "a test"
source = ["tcp(7) TCP_KEEPIDLE"]
steps = [
  { connect = { socket = "c" } },
  { peer = { behaves = "silent" } },
  { set-raw = { socket = "c", option = "TCP_KEEPIDLE", value = 1 } },
  { set-raw = { socket = "c", option = "SO_KEEPALIVE", value = 1 } },
  { await-probes = { socket = "c", count = 1, within = "2s", label = "probe" } },
]
[[claim]]
id = "in-time"
level = "must"
expect = { probe = { first-probe = "1s" } }
"#;

/// Runs the scenario with an agent whose first `late` sessions report that the probe did not come and that the machine was
/// nine seconds late.
fn run_with_late_sessions(late: usize) -> Output {
    let fixture = Fixture::with(&[]);
    fs::create_dir(fixture.path().join("keepalive")).unwrap();
    fs::write(fixture.path().join("keepalive/probed.toml"), PROBED).unwrap();
    let own = tempfile::tempdir().unwrap();
    let script = format!(
        r#"cd '{}'; echo >>sessions; [ $(wc -l <sessions) -le {late} ] && edit='s/"outcome":"ok"/"outcome":"too few"/; s/"probes-us":.[0-9]*/"probes-us":[/; s/"most-us":[0-9]*/"most-us":9000000/'; '{}' agent | sed -u "$edit""#,
        own.path().display(),
        env!("CARGO_BIN_EXE_reusespec"),
    );
    let file = own.path().join("box.toml");
    fs::write(
        &file,
        format!("[boot.command]\nprogram = [\"sh\", \"-c\", {script:?}]\n"),
    )
    .unwrap();
    fixture.run(&["run", "--platform", &file.to_string_lossy(), "--format", "json"])
}

#[test]
fn a_case_for_which_the_machine_was_late_is_repeated_and_counted() {
    let output = run_with_late_sessions(1);
    let summary = output.summary();
    assert_eq!(
        (summary["cases"].as_u64(), summary["repeated"].as_u64()),
        (Some(1), Some(1)),
        "{output:?}"
    );
    assert_eq!(summary["pass"], 1, "{output:?}");
    assert!(output.stderr.contains("repeating 1 cases"), "{}", output.stderr);
}

#[test]
fn a_case_for_which_the_machine_is_late_each_time_is_broken() {
    let output = run_with_late_sessions(9);
    let summary = output.summary();
    assert_eq!(summary["repeated"], 2, "{output:?}");
    assert_eq!(summary["broken"], 1, "{output:?}");
    assert!(output.stdout.contains("ms late"), "{}", output.stdout);
}
