//! Reports what this machine has for running guests, and how to get what it lacks. The command `doctor` prints it.
//!
//! Nothing is downloaded and no guest is started. Whether KVM works is decided at the first boot, because only a
//! booting kernel can prove it.

use std::{fs::File, process::Command};

use crate::{
    agents,
    cache::Cache,
    kernel, process,
    profile::{KernelSource, PlatformProfile},
    qemu::{debian_package, find_program},
    remote::RemotePlatform,
    runsc::{DebianPackage, Runsc},
};

/// One requirement of guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The requirement: `qemu-system-x86_64`, `kernel of linux-6.1`, `agent for x86_64-unknown-linux-musl`.
    pub subject: String,
    /// What was found: a version, a path or an origin. `None` if the requirement is missing.
    pub found: Option<String>,
    /// How to get it, or what happens without it. Empty if it was found.
    pub advice: String,
}

impl Fact {
    fn found(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            found: Some(found.into()),
            advice: String::new(),
        }
    }

    fn missing(subject: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            found: None,
            advice: advice.into(),
        }
    }
}

/// All requirements of the built-in guests and of gVisor: emulators, KVM, cache, kernels, agents.
pub fn facts(cache: &Cache) -> Vec<Fact> {
    let profiles: Vec<_> = PlatformProfile::all().collect();
    let mut facts = Vec::new();
    for profile in &profiles {
        push_unique(&mut facts, emulator(&profile.qemu().emulator));
    }
    facts.push(kvm());
    facts.push(Fact::found("cache", cache.root().display().to_string()));
    facts.extend(profiles.iter().map(|profile| kernel_of(profile, cache)));
    let sandboxes: Vec<_> = RemotePlatform::all().collect();
    let runscs = || {
        sandboxes
            .iter()
            .filter_map(|platform| Some((platform, platform.runsc()?)))
    };
    facts.extend(runscs().map(|(platform, runsc)| program_of(&platform.name, runsc, cache)));
    let targets = profiles.iter().map(|profile| &profile.target);
    for target in targets.chain(runscs().map(|(_, runsc)| &runsc.target)) {
        push_unique(&mut facts, agent(target));
    }
    facts
}

fn push_unique(facts: &mut Vec<Fact>, fact: Fact) {
    if !facts.contains(&fact) {
        facts.push(fact);
    }
}

fn emulator(emulator: &str) -> Fact {
    let name = format!("qemu-system-{emulator}");
    let Some(path) = find_program(emulator) else {
        return Fact::missing(
            name,
            format!("Debian and Ubuntu: apt install {}", debian_package(emulator)),
        );
    };
    let mut command = Command::new(path);
    command.arg("--version");
    let version = process::output(command).ok().and_then(|output| {
        let line = output.stdout.lines().next()?;
        Some(line.trim_start_matches("QEMU emulator version ").to_owned())
    });
    match version {
        Some(version) => Fact::found(name, version),
        None => Fact::missing(
            name,
            "it is installed but does not answer --version: reinstall it",
        ),
    }
}

fn kvm() -> Fact {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Fact::found(
            "KVM",
            "/dev/kvm can be opened; the first boot shows whether it works",
        ),
        Err(error) => {
            let advice = format!(
                "{}; guests still run without it, but more slowly (the CPU is emulated)",
                crate::qemu::kvm_refusal(&error)
            );
            Fact::missing("KVM", advice)
        }
    }
}

fn kernel_of(profile: &PlatformProfile, cache: &Cache) -> Fact {
    let subject = format!("kernel of {}", profile.name);
    match kernel::cached(profile, cache) {
        Some(kernel) => Fact::found(subject, kernel.origin),
        None => {
            let from = match &profile.qemu().kernel {
                KernelSource::Debian { suite, package, .. } => {
                    format!("package {package} of Debian {suite}, with apt")
                }
                KernelSource::Path { image, .. } => image.display().to_string(),
                KernelSource::Sets { folder, .. } => format!("kernel.txz and base.txz of {folder}"),
                KernelSource::Pinned { url, .. }
                | KernelSource::Disk { url, .. }
                | KernelSource::Iso { url, .. } => url.clone(),
                KernelSource::Local => {
                    return Fact::missing(
                        subject,
                        "this version was never released: give --kernel and --tree",
                    );
                }
            };
            Fact::missing(
                subject,
                format!("run `reusespec fetch {}` to download {from}", profile.name),
            )
        }
    }
}

fn program_of(name: &str, runsc: &Runsc, cache: &Cache) -> Fact {
    let subject = format!("kernel of {name}");
    match runsc.cached(cache) {
        Ok(Some(program)) => Fact::found(subject, program.origin),
        Ok(None) => {
            let DebianPackage { suite, package, .. } = &runsc.debian;
            let advice = format!(
                "run `reusespec fetch {name}` to download package {package} of Debian {suite}, with apt; nothing is \
                 installed"
            );
            Fact::missing(subject, advice)
        }
        Err(error) => Fact::missing(
            subject,
            format!("{error}: remove it from the cache and fetch it again"),
        ),
    }
}

fn agent(target: &str) -> Fact {
    let subject = format!("agent for {target}");
    match agents::find(target) {
        Ok(path) => Fact::found(subject, path.display().to_string()),
        Err(missing) => Fact::missing(subject, missing.advice()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_of_a_profile_is_reported_found_or_with_advice() {
        let folder = tempfile::TempDir::new().unwrap();
        let facts = facts(&Cache::at(folder.path()));
        for profile in PlatformProfile::all() {
            let about = |subject: String| facts.iter().filter(move |fact| fact.subject == subject);
            assert_eq!(
                about(format!("qemu-system-{}", profile.qemu().emulator)).count(),
                1
            );
            assert_eq!(about(format!("agent for {}", profile.target)).count(), 1);
            let kernel = about(format!("kernel of {}", profile.name)).next().unwrap();
            assert_eq!(kernel.found, None, "the cache is empty");
        }
        let gvisor = facts
            .iter()
            .find(|fact| fact.subject == "kernel of gvisor")
            .unwrap();
        assert!(
            gvisor.advice.starts_with("run `reusespec fetch gvisor`"),
            "{gvisor:?}"
        );
        assert!(
            facts
                .iter()
                .all(|fact| fact.found.is_some() == fact.advice.is_empty()),
            "{facts:?}"
        );
    }
}
