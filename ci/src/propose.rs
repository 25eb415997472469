//! Opens a pull request with the snapshots that the nightly results give, on one branch that is replaced every night.
//!
//! The pull request is the review, so `accept --yes` writes the snapshots themselves. Without a difference there is no
//! pull request.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::merge;
use crate::suite;

const BRANCH: &str = "nightly-snapshots";
const TITLE: &str = "scenarios: snapshots of the nightly platforms, to be reviewed";

/// True if there is no difference, or the pull request is open.
pub(crate) fn open(results: &[PathBuf]) -> io::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = merge::files(results);
    if files.is_empty() {
        return Err(io::Error::other("there are no results"));
    }
    let mut accept = Command::new(suite::program()?);
    accept.current_dir(&root).args(["accept", "--yes"]).args(&files);
    succeed(&mut accept)?;
    let mut status = Command::new("git");
    status
        .current_dir(&root)
        .args(["status", "--porcelain", "scenarios"]);
    if status.output()?.stdout.is_empty() {
        writeln!(io::stdout(), "nothing new")?;
        return Ok(true);
    }
    let git = |arguments: &[&str]| succeed(Command::new("git").current_dir(&root).args(arguments));
    git(&["switch", "--force-create", BRANCH])?;
    git(&["add", "scenarios"])?;
    let author = ["-c", "user.name=nightly", "-c", "user.email=nightly@localhost"];
    git(&[&author[..], &["commit", "--message", TITLE]].concat())?;
    git(&["push", "--force", "origin", BRANCH])?;
    let gh = |arguments: &[&str]| Command::new("gh").current_dir(&root).args(arguments).status();
    let is_open = gh(&["pr", "view", BRANCH])?.success();
    let body = "The head of each table names the kernels it was observed on. A row that is wrong is worth a bug report.";
    Ok(is_open || gh(&["pr", "create", "--head", BRANCH, "--title", TITLE, "--body", body])?.success())
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    let program = command.get_program().to_string_lossy().into_owned();
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{program} ended with {status}"))),
    }
}
