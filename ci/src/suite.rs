//! Runs the command `reusespec` that cargo has built beside this program.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use reusespec_core::results::{CaseLine, Line};

/// The cases of `reusespec run ARGUMENTS --format json`. The exit status does not matter.
pub(crate) fn run(arguments: &[&str]) -> io::Result<Vec<CaseLine>> {
    let output = Command::new(program()?)
        .arg("run")
        .args(arguments)
        .args(["--format", "json"])
        .output()?;
    let mut cases = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match Line::parse(line).map_err(io::Error::other)? {
            Line::Case(case) => cases.push(*case),
            Line::Summary(_) => {}
        }
    }
    if cases.is_empty() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    Ok(cases)
}

/// The path of the command.
pub(crate) fn program() -> io::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("reusespec");
    let profile = if cfg!(debug_assertions) { "" } else { " --release" };
    if beside.exists() {
        Ok(beside)
    } else {
        Err(io::Error::other(format!(
            "{} is not there: cargo build{profile}",
            beside.display()
        )))
    }
}
