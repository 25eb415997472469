//! `doctor`: everything this machine may have or lack is named, and what it lacks with the way to get it.

use std::path::Path;
use std::process::Command;

use reusespec::implementations;

use crate::fixture::Answer;

#[test]
fn every_implementation_is_here_or_missing_with_a_way_to_get_it() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut command = Command::new(env!("CARGO_BIN_EXE_reusespec"));
    let answer = Answer::of(command.arg("doctor").current_dir(&scenarios).output().unwrap());
    assert_eq!(answer.status, 0, "{answer:?}");
    for implementation in implementations::load(&scenarios).unwrap() {
        let about = format!("implementation {}: ", implementation.name);
        let line = answer.stdout.lines().find(|line| line.contains(&about)).unwrap();
        let missing = line.starts_with("missing");
        assert_eq!(missing, line.contains("; install "), "{line}");
        assert!(missing || line.starts_with("here "), "{line}");
    }
}
