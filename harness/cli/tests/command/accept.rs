//! `accept`: the results of a run on another machine become snapshots.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reusespec_core::SnapshotKey;

use crate::fixture::{Fixture, SHARING, left_out};

/// Writes the lines of a run on another machine: new, verdict and rebind of each case.
fn results(fixture: &Fixture, kernel: &str, rows: &[(&str, &str, &str)]) -> PathBuf {
    let line = |(new, verdict, rebind): &(&str, &str, &str)| {
        let observed = match *verdict {
            "pass" | "fail" => serde_json::json!({ "rebind": rebind }),
            _ => serde_json::json!({}),
        };
        serde_json::json!({
            "scenario": "port-reuse/sharing",
            "case": { "new": new },
            "platform": "elsewhere",
            "kernel": kernel,
            "implementation": "kernel",
            "verdict": verdict,
            "observed": observed,
        })
        .to_string()
    };
    let mut lines: Vec<_> = rows.iter().map(line).collect();
    lines.push("{\"summary\":{}}".to_owned());
    let path = fixture.path().join("results.json");
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn accept(fixture: &Fixture, kernel: &str, rows: &[(&str, &str, &str)], more: &[&str]) -> String {
    let path = results(fixture, kernel, rows);
    let mut arguments = vec!["accept", path.to_str().unwrap()];
    arguments.extend(more);
    let answer = fixture.run(&arguments);
    assert_eq!(answer.status, 0, "{answer:?}");
    answer.stdout
}

/// The snapshot of a kernel; with the ending `.new` the one that waits for review.
fn snapshot(fixture: &Fixture, kernel: &str, ending: &str) -> Option<String> {
    let path = format!("port-reuse/snapshots/kernel/sharing@{kernel}.snap");
    assert_eq!(SnapshotKey::from_path(&path).unwrap().path(), path);
    fs::read_to_string(fixture.path().join(path + ending)).ok()
}

const BOTH: [(&str, &str, &str); 2] = [("plain", "pass", "EADDRINUSE"), ("reuse-port", "pass", "ok")];

#[test]
fn a_scenario_that_varies_gets_no_table() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let path = results(&fixture, "freebsd-14.3", &BOTH);
    let lines = fs::read_to_string(&path).unwrap();
    fs::write(&path, lines.replace("\"verdict\"", "\"varies\":true,\"verdict\"")).unwrap();
    let answer = fixture.run(&["accept", path.to_str().unwrap()]);
    assert!(answer.stdout.contains("0 tables written"), "{answer:?}");
    assert!(answer.stdout.contains("1 that vary"), "{answer:?}");
    assert_eq!(snapshot(&fixture, "freebsd", ".new"), None);
}

#[test]
fn the_first_kernel_of_a_system_gives_a_table_that_waits_for_review() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let said = accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    assert!(said.contains("1 tables written"), "{said}");
    assert_eq!(snapshot(&fixture, "freebsd", ""), None);
    insta::assert_snapshot!(snapshot(&fixture, "freebsd", ".new").unwrap(), @r"
    ---
    source: scenarios/tests/suite/conformance.rs
    ---
    scenario        port-reuse/sharing
    kernel          freebsd-14.3
    implementation  kernel

    new         rebind
    plain       EADDRINUSE
    reuse-port  ok
    ");
}

#[test]
fn a_kernel_with_equal_rows_joins_the_head_and_another_gets_a_table() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    let same = accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    assert!(same.contains("0 tables written, 1 unchanged"), "{same}");
    accept(&fixture, "freebsd-15.0", &BOTH, &["--yes"]);
    let head = snapshot(&fixture, "freebsd", "").unwrap();
    assert!(
        head.contains("kernel          freebsd-14.3, freebsd-15.0\n"),
        "{head}"
    );
    let other = [("plain", "fail", "ok"), ("reuse-port", "pass", "ok")];
    let said = accept(&fixture, "freebsd-16.0", &other, &["--yes"]);
    assert!(said.contains("1 failed"), "{said}");
    assert_eq!(snapshot(&fixture, "freebsd", "").unwrap(), head);
    let own = snapshot(&fixture, "freebsd-16.0", "").unwrap();
    assert!(
        own.contains("kernel          freebsd-16.0\n") && own.contains("plain       ok\n"),
        "{own}"
    );
}

#[test]
fn a_case_that_was_broken_or_left_out_changes_no_row() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let said = accept(&fixture, "freebsd-14.3", &BOTH[..1], &["--yes"]);
    assert!(said.contains("1 incomplete"), "{said}");
    accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    let before = snapshot(&fixture, "freebsd", "");
    let broken = [("plain", "broken", ""), ("reuse-port", "pass", "ok")];
    let said = accept(&fixture, "freebsd-14.3", &broken, &["--yes"]);
    assert!(
        said.contains("1 unchanged") && said.contains("1 cases were not observed"),
        "{said}"
    );
    assert_eq!(snapshot(&fixture, "freebsd", ""), before);
}

/// The program behind `cargo insta`, if it is installed.
fn cargo_insta() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("cargo-insta"))
        .find(|program| program.is_file())
}

#[test]
fn cargo_insta_finds_the_tables_that_wait_for_review() {
    let Some(program) = cargo_insta() else {
        left_out("the review with cargo-insta", "cargo install cargo-insta");
        return;
    };
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    // cargo-insta looks for snapshots in the packages of a workspace, also in ignored files.
    let package = "[package]\nname = \"scenarios\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(fixture.path().join("Cargo.toml"), package).unwrap();
    fs::create_dir(fixture.path().join("src")).unwrap();
    fs::write(fixture.path().join("src/lib.rs"), "").unwrap();
    fs::write(fixture.path().join(".gitignore"), "*.snap.new\n").unwrap();
    accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    let proposed = snapshot(&fixture, "freebsd", ".new").unwrap();
    let output = Command::new(program)
        .arg("accept")
        .current_dir(fixture.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(snapshot(&fixture, "freebsd", ".new"), None, "{output:?}");
    assert_eq!(snapshot(&fixture, "freebsd", "").unwrap(), proposed);
    let again = accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    assert!(again.contains("0 tables written, 1 unchanged"), "{again}");
}

#[test]
fn a_deleted_table_comes_back_byte_for_byte() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let path = fixture.path().join("results.json");
    let accept = || {
        fs::write(&path, fixture.run(&["run", "--format", "json"]).stdout).unwrap();
        let answer = fixture.run(&["accept", "--yes", path.to_str().unwrap()]);
        assert!(answer.stdout.contains("1 tables written"), "{answer:?}");
        snapshot(&fixture, "linux", "").unwrap()
    };
    let first = accept();
    fs::remove_dir_all(fixture.family().join("snapshots")).unwrap();
    assert_eq!(accept(), first);
    assert!(fixture.run(&["run"]).stdout.contains("(2 pass)"));
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_line() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let path = fixture.path().join("results.json");
    for (text, said) in [
        ("not json", ":1: not a line of `run --format json`"),
        (
            "{\"summary\":{}}\n{}",
            ":2: not a line of `run --format json`: missing field `scenario`",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let answer = fixture.run(&["accept", path.to_str().unwrap()]);
        assert_eq!(answer.status, 2, "{answer:?}");
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
}
