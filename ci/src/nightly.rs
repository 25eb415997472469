//! Runs one job of the matrix, or with `--local` every job that this machine can run.
//!
//! Results are files in `target/nightly`, named after platform and shard, the same on GitHub and at home. The exit
//! status of a single run is ignored: `merge` decides from the files whether the night was good.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use reusespec_platforms::cache::Cache;
use reusespec_platforms::kernel;
use reusespec_platforms::profile::PlatformProfile;
use reusespec_platforms::qemu::{debian_package, find_program};
use reusespec_platforms::{RemotePlatform, agents, runsc};

use crate::matrix::{self, HOST, Job};
use crate::merge::{self, Row};
use crate::suite;

/// The folder of the results.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nightly")
}

/// Runs one job, as the workflow does. Returns whether it wrote results.
pub(crate) fn one(platform: &str, shard: &str) -> io::Result<bool> {
    let job = matrix::jobs()
        .into_iter()
        .find(|job| job.platform == platform && job.shard == shard)
        .ok_or_else(|| io::Error::other(format!("the matrix has no {platform} with {shard}")))?;
    let file = run(&job)?;
    Ok(file.metadata()?.len() > 0)
}

/// Runs every job that this machine can run, one after the other, and prints the table.
pub(crate) fn local() -> io::Result<bool> {
    let mut out = io::stdout();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for job in matrix::jobs() {
        match lacks(&job) {
            Some(reason) => left_out.push(Row::missing(name(&job), &reason)),
            None => {
                writeln!(out, "{}", name(&job))?;
                out.flush()?;
                files.push(run(&job)?);
            }
        }
    }
    let rows: Vec<_> = files.iter().map(|file| Row::of_file(file)).collect();
    let (text, good) = merge::table(&rows, &left_out);
    writeln!(out, "\n{text}")?;
    Ok(good)
}

/// Why this machine cannot run a job. Nothing is fetched or built to find out.
fn lacks(job: &Job) -> Option<String> {
    platform_lacks(&job.platform)
}

/// Why this machine cannot start a platform. Nothing is fetched or built to find out.
pub(crate) fn platform_lacks(name: &str) -> Option<String> {
    if name == HOST {
        return None;
    }
    if let Some(Ok(platform)) = RemotePlatform::find(name) {
        let runsc = platform.runsc()?;
        let missing = runsc::check_available(name, runsc).err();
        return missing.map(|error| error.to_string());
    }
    let profile = match PlatformProfile::find(name) {
        Ok(profile) => profile,
        Err(error) => return Some(error.to_string()),
    };
    let emulator = &profile.qemu().emulator;
    if find_program(emulator).is_none() {
        return Some(format!(
            "qemu-system-{emulator} is not installed: apt install {}",
            debian_package(emulator)
        ));
    }
    if let Err(error) = agents::find(&profile.target) {
        return Some(error.to_string());
    }
    let cache = Cache::from_environment().ok()?;
    match kernel::cached(&profile, &cache) {
        Some(_) => None,
        None => Some(format!("its kernel is not here: reusespec fetch {name}")),
    }
}

fn run(job: &Job) -> io::Result<PathBuf> {
    fs::create_dir_all(folder())?;
    let path = folder().join(format!("{}.json", name(job)));
    let mut command = Command::new(suite::program()?);
    command.arg("run").args(job.shard.split(' '));
    command.args(["--platform", &job.platform, "--format", "json"]);
    command.stdout(File::create(&path)?).status()?;
    Ok(path)
}

fn name(job: &Job) -> String {
    format!("{}-{}", job.platform, job.shard.replace(' ', "-"))
}
