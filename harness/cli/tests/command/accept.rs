//! Results of a kernel that is not here become snapshots for a reviewer.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::fixture::{Fixture, SHARING, left_out};

/// A line a case, as a run elsewhere prints it.
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

fn snapshot(fixture: &Fixture, name: &str) -> Option<String> {
    fs::read_to_string(fixture.family().join("snapshots").join(name)).ok()
}

const BOTH: [(&str, &str, &str); 2] = [("plain", "pass", "EADDRINUSE"), ("reuse-port", "pass", "ok")];

#[test]
fn the_first_kernel_of_a_system_gives_its_table_and_waits_for_a_reviewer() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let said = accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    assert!(said.contains("1 tables written"), "{said}");
    assert_eq!(snapshot(&fixture, "sharing@freebsd.snap"), None);
    insta::assert_snapshot!(snapshot(&fixture, "sharing@freebsd.snap.new").unwrap(), @r"
    ---
    source: scenarios/tests/suite/conformance.rs
    ---
    scenario  port-reuse/sharing
    kernels   freebsd-14.3

    new         rebind
    plain       EADDRINUSE
    reuse-port  ok
    ");
}

#[test]
fn a_kernel_that_does_the_same_is_named_in_the_head_and_one_that_does_not_gets_its_own_table() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    let same = accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    assert!(same.contains("0 tables written, 1 as they were"), "{same}");
    accept(&fixture, "freebsd-15.0", &BOTH, &["--yes"]);
    let head = snapshot(&fixture, "sharing@freebsd.snap").unwrap();
    assert!(head.contains("kernels   freebsd-14.3, freebsd-15.0\n"), "{head}");
    let other = [("plain", "fail", "ok"), ("reuse-port", "pass", "ok")];
    let said = accept(&fixture, "freebsd-16.0", &other, &["--yes"]);
    assert!(said.contains("1 failed there"), "{said}");
    assert_eq!(snapshot(&fixture, "sharing@freebsd.snap").unwrap(), head);
    let own = snapshot(&fixture, "sharing@freebsd-16.0.snap").unwrap();
    assert!(
        own.contains("kernels   freebsd-16.0\n") && own.contains("plain       ok\n"),
        "{own}"
    );
}

#[test]
fn what_was_broken_or_left_out_there_changes_no_row() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let said = accept(&fixture, "freebsd-14.3", &BOTH[..1], &["--yes"]);
    assert!(said.contains("1 incomplete"), "{said}");
    accept(&fixture, "freebsd-14.3", &BOTH, &["--yes"]);
    let before = snapshot(&fixture, "sharing@freebsd.snap");
    let broken = [("plain", "broken", ""), ("reuse-port", "pass", "ok")];
    let said = accept(&fixture, "freebsd-14.3", &broken, &["--yes"]);
    assert!(
        said.contains("1 as they were") && said.contains("1 cases were not observed"),
        "{said}"
    );
    assert_eq!(snapshot(&fixture, "sharing@freebsd.snap"), before);
}

/// The program that `cargo insta review` is, where it is installed.
fn cargo_insta() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("cargo-insta"))
        .find(|program| program.is_file())
}

#[test]
fn what_waits_for_a_reviewer_is_what_cargo_insta_reviews() {
    let Some(program) = cargo_insta() else {
        left_out("what cargo-insta accepts", "cargo install cargo-insta");
        return;
    };
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    // It looks for snapshots in the packages of a workspace, whatever is ignored there.
    let package = "[package]\nname = \"scenarios\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    fs::write(fixture.path().join("Cargo.toml"), package).unwrap();
    fs::create_dir(fixture.path().join("src")).unwrap();
    fs::write(fixture.path().join("src/lib.rs"), "").unwrap();
    fs::write(fixture.path().join(".gitignore"), "*.snap.new\n").unwrap();
    accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    let proposed = snapshot(&fixture, "sharing@freebsd.snap.new").unwrap();
    let output = Command::new(program)
        .arg("accept")
        .current_dir(fixture.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(snapshot(&fixture, "sharing@freebsd.snap.new"), None, "{output:?}");
    assert_eq!(snapshot(&fixture, "sharing@freebsd.snap").unwrap(), proposed);
    let again = accept(&fixture, "freebsd-14.3", &BOTH, &[]);
    assert!(again.contains("0 tables written, 1 as they were"), "{again}");
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_line() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let path = fixture.path().join("results.json");
    for (text, said) in [
        ("not json", ":1: not a line of `run --format json`"),
        (
            "{\"summary\":{}}\n{}",
            ":2: has no case: not a line of `run --format json`",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let answer = fixture.run(&["accept", path.to_str().unwrap()]);
        assert_eq!(answer.status, 2, "{answer:?}");
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
    }
}
