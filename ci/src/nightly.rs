//! Runs one job of the matrix, or with `--local` every job that this machine can run.
//!
//! Results are files in `target/nightly`, named after platform and shard, the same on GitHub and at home. The exit
//! status of a single run is ignored: `merge` decides from the files whether the night was good.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use reusespec_platforms::cache::Cache;
use reusespec_platforms::kernel;
use reusespec_platforms::profile::PlatformProfile;
use reusespec_platforms::qemu::{debian_package, find_program};
use reusespec_platforms::{RemotePlatform, agents, runsc};

use crate::matrix::{self, HOST, Job};
use crate::merge::{self, Row};
use crate::suite;

/// The value of `--kernel`: a platform, and the local kernel and tree that it boots instead of downloading them. Written as
/// `freebsd-14=KERNEL:TREE`.
#[derive(Clone, Debug)]
pub(crate) struct OwnKernel {
    platform: String,
    /// The arguments of `run` that name it.
    arguments: Vec<String>,
}

impl FromStr for OwnKernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "expected PLATFORM=KERNEL or PLATFORM=KERNEL:TREE";
        let (platform, files) = text.split_once('=').ok_or(form)?;
        PlatformProfile::find(platform).map_err(|error| error.to_string())?;
        let (kernel, tree) = files.split_once(':').unwrap_or((files, ""));
        let arguments = [("--kernel", kernel), ("--tree", tree)];
        let given = arguments.into_iter().filter(|(_, path)| !path.is_empty());
        if let Some((_, path)) = given.clone().find(|(_, path)| !Path::new(path).exists()) {
            return Err(format!("{path} does not exist"));
        }
        Ok(Self {
            platform: platform.to_owned(),
            arguments: given
                .flat_map(|(name, path)| [name.to_owned(), path.to_owned()])
                .collect(),
        })
    }
}

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
    let file = run(&job, &[])?;
    Ok(file.metadata()?.len() > 0)
}

/// Runs every job that this machine can run, one after the other, and prints the table. Platforms of `kernels` boot those,
/// also the ones that the matrix leaves out because nobody can download their kernel.
pub(crate) fn local(kernels: &[OwnKernel]) -> io::Result<bool> {
    let mut out = io::stdout();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let is_own = |profile: &PlatformProfile| kernels.iter().any(|own| own.platform == profile.name);
    let local = PlatformProfile::all().filter(|profile| profile.is_local() && is_own(profile));
    for job in matrix::jobs().into_iter().chain(matrix::of_guests(local)) {
        let own = kernels.iter().find(|own| own.platform == job.platform);
        let own = own.map_or(&[][..], |own| &own.arguments);
        match lacks(&job, !own.is_empty()) {
            Some(reason) => left_out.push(Row::missing(name(&job), &reason)),
            None => {
                writeln!(out, "{}", name(&job))?;
                out.flush()?;
                files.push(run(&job, own)?);
            }
        }
    }
    let rows: Vec<_> = files.iter().map(|file| Row::of_file(file)).collect();
    let (text, good) = merge::table(&rows, &left_out);
    writeln!(out, "\n{text}")?;
    Ok(good)
}

/// Why this machine cannot run a job. Nothing is fetched or built to find out.
fn lacks(job: &Job, has_kernel: bool) -> Option<String> {
    platform_lacks(&job.platform, has_kernel)
}

/// Why this machine cannot start a platform, for which `has_kernel` says whether a kernel is at hand. Nothing is fetched or
/// built to find out.
pub(crate) fn platform_lacks(name: &str, has_kernel: bool) -> Option<String> {
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
    if has_kernel {
        return None;
    }
    let cache = Cache::from_environment().ok()?;
    match kernel::cached(&profile, &cache) {
        Some(_) => None,
        None => Some(format!("its kernel is not here: reusespec fetch {name}")),
    }
}

fn run(job: &Job, own: &[String]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder())?;
    let path = folder().join(format!("{}.json", name(job)));
    let mut command = Command::new(suite::program()?);
    command.arg("run").args(job.shard.split(' '));
    command.args(["--platform", &job.platform, "--format", "json"]);
    command.args(own);
    command.stdout(File::create(&path)?).status()?;
    Ok(path)
}

fn name(job: &Job) -> String {
    format!("{}-{}", job.platform, job.shard.replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_at_hand_names_a_platform_and_files_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let parsed: OwnKernel = format!("dragonfly-5.9={path}:{path}").parse().unwrap();
        assert_eq!(parsed.platform, "dragonfly-5.9");
        assert_eq!(
            parsed.arguments,
            ["--kernel", &path.to_string(), "--tree", &path.to_string()]
        );
        let refused = |text: &str| text.parse::<OwnKernel>().unwrap_err();
        assert!(refused("freebsd-14").starts_with("expected PLATFORM=KERNEL"));
        assert_eq!(refused("freebsd-14=/no/kernel"), "/no/kernel does not exist");
        assert!(refused("plan9=/").contains("plan9"));
    }
}
