//! `diff`: the rows in which two kernels' reviewed tables differ, and the claims that explain them.

use std::fs;

use crate::fixture::{Fixture, SHARING};

/// Snapshots of `SHARING` for Linux 5.10 and 6.12, which differ in one row.
fn two_kernels() -> Fixture {
    let since = "on = [\"linux >= 6\"]\nsource = [\"ip(7)\"]\nexpect = { rebind = \"EADDRINUSE\" }";
    let text = SHARING.replace("expect = { rebind = \"EADDRINUSE\" }", since);
    let fixture = Fixture::with(&[("sharing", &text)]);
    let folder = fixture.family().join("snapshots/kernel");
    fs::create_dir_all(&folder).unwrap();
    for (kernel, plain) in [("linux-5.10", "ok"), ("linux-6.12", "EADDRINUSE")] {
        let table = format!(
            "---\nsource: test\n---\nscenario  port-reuse/sharing\nkernel  {kernel}\nimplementation  kernel\n\n\
             new         rebind\nplain       {plain}\nreuse-port  EADDRINUSE\n"
        );
        fs::write(folder.join(format!("sharing@{kernel}.snap")), table).unwrap();
    }
    fixture
}

#[test]
fn only_rows_that_differ_are_shown_and_explained() {
    let answer = two_kernels().run(&["diff", "linux-5.10", "linux-6.12"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    insta::assert_snapshot!(answer.stdout);
}

#[test]
fn two_sides_without_a_common_scenario_cannot_be_compared() {
    let answer = two_kernels().run(&["diff", "linux-5.10", "linux-6.12+reference"]);
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.stderr.contains("none of these scenarios"), "{answer:?}");
}
