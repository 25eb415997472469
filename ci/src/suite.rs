//! Runs the command that cargo has built beside this program.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The lines of `reusespec run ARGUMENTS --format json`. Its exit status is not judged here.
pub(crate) fn run(arguments: &[&str]) -> io::Result<Vec<Value>> {
    let output = Command::new(program()?)
        .arg("run")
        .args(arguments)
        .args(["--format", "json"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    if lines.is_empty() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    Ok(lines)
}

fn program() -> io::Result<PathBuf> {
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
