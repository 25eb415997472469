//! Who executes a guest's instructions: what a trial boot has proved, with the reason where that is the translator.
//!
//! /dev/kvm can exist, open, and run a few instructions of firmware, and still never get through a kernel's start
//! (nested virtualization on some cloud machines). So the trial is a boot of the real kernel with the real agent,
//! limited in time, once per boot of the host; the verdict is kept in the cache.

use std::{
    fs::{self, File},
    io,
};

use super::{
    guest::{Guest, Launch},
    warm::host_boot,
};
use crate::{
    cache::sha256,
    profile::{Accelerator, BootMethod, Clock, KernelSource},
};

/// Real KVM needs half a second for a kernel of ours, and ten for a whole system.
const TRIAL_SECS: u32 = 5;
const TRIAL_OF_A_SYSTEM_SECS: u32 = 90;

/// The accelerator to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to use.
    pub accelerator: Accelerator,
    /// Why not the preferred one: to be said once per run.
    pub reason: Option<String>,
}

/// Decide for `launch`, whose own accelerator is ignored. May take some seconds the first time.
pub fn decide(launch: Launch<'_>) -> Verdict {
    let profile = launch.profile;
    let wants_kvm = profile.qemu().accelerators.contains(&Accelerator::Kvm);
    if !wants_kvm || profile.clock == Clock::Virtual {
        return Verdict {
            accelerator: Accelerator::Tcg,
            reason: None,
        };
    }
    match try_kvm(launch) {
        Ok(()) => Verdict {
            accelerator: Accelerator::Kvm,
            reason: None,
        },
        Err(reason) => Verdict {
            accelerator: Accelerator::Tcg,
            reason: Some(reason),
        },
    }
}

fn try_kvm(launch: Launch<'_>) -> Result<(), String> {
    if launch.profile.machine != std::env::consts::ARCH {
        return Err(format!(
            "KVM cannot run {} on {}",
            launch.profile.machine,
            std::env::consts::ARCH
        ));
    }
    File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map_err(|error| refusal(&error))?;
    let name = host_boot().map(|boot| {
        let emulator = super::find_program(&launch.profile.qemu().emulator);
        let key = format!("{emulator:?} {}", trial_scope(&launch));
        format!("kvm/{boot}-{}", &sha256(key.as_bytes())[..16])
    });
    let known = name
        .as_ref()
        .and_then(|name| fs::read_to_string(launch.cache.root().join(name)).ok());
    let outcome = match known {
        Some(text) => text,
        None => {
            let text = trial(launch);
            if let Some(name) = name {
                // Not being able to keep it means another trial next time.
                let _ = launch.cache.write(name, text.as_bytes());
            }
            text
        }
    };
    if outcome.is_empty() { Ok(()) } else { Err(outcome) }
}

/// What a trial's outcome depends on beside host and QEMU; the cache forgets it with the host's next boot. A kernel of one's
/// own and a whole system may fail for reasons of their own, and then say nothing about the others.
fn trial_scope<'l>(launch: &Launch<'l>) -> &'l str {
    match &launch.profile.qemu().kernel {
        KernelSource::Path { .. } => &launch.kernel.sha256,
        KernelSource::Disk { url, .. } => url,
        KernelSource::Debian { .. } | KernelSource::Pinned { .. } | KernelSource::Sets { .. } => "",
    }
}

/// Why /dev/kvm cannot be used, and what to do.
pub(crate) fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no /dev/kvm".into(),
        io::ErrorKind::PermissionDenied => "/dev/kvm may not be opened: join its group (usually kvm)".into(),
        _ => format!("/dev/kvm cannot be opened: {error}"),
    }
}

/// Empty if the guest came up.
fn trial(launch: Launch<'_>) -> String {
    let mut profile = launch.profile.clone();
    profile.timing.boot_secs = match profile.boot_method() {
        Ok(BootMethod::Disk(_)) => TRIAL_OF_A_SYSTEM_SECS,
        _ => TRIAL_SECS,
    };
    let attempt = Launch {
        profile: &profile,
        accelerator: Accelerator::Kvm,
        warm: false,
        console: None,
        ..launch
    };
    match Guest::start(attempt) {
        Ok(_) => String::new(),
        Err(error) => {
            let text = error.to_string();
            format!(
                "/dev/kvm is there, but a trial boot failed: {}",
                text.split("; ").next().unwrap_or_default()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        let said = |kind: io::ErrorKind| refusal(&kind.into());
        assert_eq!(said(io::ErrorKind::NotFound), "there is no /dev/kvm");
        assert!(said(io::ErrorKind::PermissionDenied).contains("join its group"));
    }
}
