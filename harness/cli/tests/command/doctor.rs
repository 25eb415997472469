//! `doctor`: lists what this machine has and what it lacks, with the command that installs it.

use std::path::Path;
use std::process::Command;

use reusespec::implementations;

use crate::fixture::Output;

#[test]
fn each_implementation_is_here_or_missing_with_its_install_command() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut command = Command::new(env!("CARGO_BIN_EXE_reusespec"));
    let output = Output::of(command.arg("doctor").current_dir(&scenarios).output().unwrap());
    assert_eq!(output.status, 0, "{output:?}");
    for implementation in implementations::load(&scenarios).unwrap() {
        let about = format!("implementation {}: ", implementation.name);
        let line = output.stdout.lines().find(|line| line.contains(&about)).unwrap();
        let missing = line.starts_with("missing");
        assert_eq!(missing, line.contains("; install "), "{line}");
        assert!(missing || line.starts_with("here "), "{line}");
    }
}
