//! The jobs of the nightly workflow: every platform with every shard. `ci matrix` prints them as GitHub's `matrix`.
//!
//! A shard is a filter of scenarios, so a job can be repeated by hand with the same words. Guests run only the families
//! whose cases need no program of the host.

use reusespec_platforms::RemotePlatform;
use reusespec_platforms::profile::PlatformProfile;
use reusespec_platforms::qemu::debian_package;
use serde_json::{Value, json};

/// The platform that is the runner itself.
pub(crate) const HOST: &str = "host";

/// One job of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The name that `--platform` takes.
    pub(crate) platform: String,
    /// The scenarios: filters of `run`, separated by spaces.
    pub(crate) shard: &'static str,
    /// The Rust target of the agent; none on the host.
    pub(crate) target: Option<String>,
    /// The Debian package that has the emulator; empty on the host and for gVisor, which is fetched into the cache.
    pub(crate) packages: &'static str,
}

const GUEST_SHARDS: [&str; 2] = ["port-reuse", "keepalive"];
const HOST_SHARDS: [&str; 4] = ["port-reuse", "keepalive", "fastcgi", "http"];

/// Returns every job, the host first.
pub(crate) fn jobs() -> Vec<Job> {
    let host = HOST_SHARDS.iter().map(|shard| Job {
        platform: HOST.to_owned(),
        shard,
        target: None,
        packages: "",
    });
    // A version that was never released cannot be downloaded.
    let released = PlatformProfile::all().filter(|profile| !profile.is_local());
    let guests = of_guests(released);
    let sandboxes = RemotePlatform::all().filter_map(|platform| {
        let target = platform.runsc()?.target.clone();
        Some((platform.name, target))
    });
    let in_sandboxes = sandboxes.flat_map(|(platform, target)| {
        GUEST_SHARDS.map(|shard| Job {
            platform: platform.clone(),
            shard,
            target: Some(target.clone()),
            packages: "",
        })
    });
    host.chain(guests).chain(in_sandboxes).collect()
}

/// The jobs of these guests.
pub(crate) fn of_guests(profiles: impl Iterator<Item = PlatformProfile>) -> impl Iterator<Item = Job> {
    profiles.flat_map(|profile| {
        GUEST_SHARDS.map(|shard| Job {
            platform: profile.name.clone(),
            shard,
            target: Some(profile.target.clone()),
            packages: debian_package(&profile.qemu().emulator),
        })
    })
}

/// The matrix as GitHub reads it with `fromJSON`.
pub(crate) fn as_json(jobs: &[Job]) -> Value {
    let entry = |job: &Job| {
        json!({
            "platform": job.platform,
            "shard": job.shard,
            "target": job.target.as_deref().unwrap_or_default(),
            "packages": job.packages,
        })
    };
    json!({ "include": jobs.iter().map(entry).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn workflow(name: &str) -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn the_workflow_uses_the_keys_that_the_matrix_prints() {
        let text = workflow("nightly.yml");
        let wanted: BTreeSet<_> = text
            .split("matrix.")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap())
            .filter(|word| *word != "outputs")
            .collect();
        let printed = as_json(&jobs());
        let entries = printed["include"].as_array().unwrap();
        for entry in entries {
            let has: BTreeSet<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(has, wanted);
        }
        assert!(entries.len() <= 256, "GitHub takes no more jobs");
    }

    #[test]
    fn workflows_call_only_tasks_and_actions_pinned_by_commit() {
        let ours = [
            ".ci/run",
            "cargo run ",
            "cargo build ",
            "sudo apt-get ",
            "echo \"jobs=$(cargo run ",
        ];
        for line in [workflow("push.yml"), workflow("nightly.yml")].join("\n").lines() {
            let line = line.trim().trim_start_matches("- ");
            if let Some(command) = line.strip_prefix("run: ") {
                assert!(ours.iter().any(|start| command.starts_with(start)), "{command}");
            }
            if let Some(action) = line.strip_prefix("uses: ") {
                let commit = action.split(['@', ' ']).nth(1).unwrap_or_default();
                assert!(
                    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{action}"
                );
            }
        }
    }

    #[test]
    fn the_matrix_is_every_platform_with_every_shard() {
        let lines: Vec<_> = jobs()
            .iter()
            .map(|job| format!("{:12} {:10} {}", job.platform, job.shard, job.packages))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
