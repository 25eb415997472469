//! Decides between KVM and TCG by a trial boot.
//!
//! /dev/kvm can exist, open, and execute a few instructions of firmware, but still fail to boot a kernel (nested
//! virtualization on some cloud machines). So the trial boots the real kernel with the real agent under a timeout, once
//! for each boot of the host. The cache keeps the result.

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

/// The timeout of a trial boot. With KVM a kernel boots in half a second.
const TRIAL_SECS: u32 = 5;
/// The timeout of a trial boot of a complete system, which takes ten seconds with KVM.
const SYSTEM_TRIAL_SECS: u32 = 90;

/// The accelerator to use, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceleratorChoice {
    /// The accelerator to use.
    pub accelerator: Accelerator,
    /// Why KVM, although preferred, is not used. Reported once for each run.
    pub reason: Option<String>,
}

/// Decides for `launch` and ignores its accelerator. The first call may take some seconds.
pub fn decide(launch: Launch<'_>) -> AcceleratorChoice {
    let profile = launch.profile;
    let wants_kvm = profile.qemu().accelerators.contains(&Accelerator::Kvm);
    if !wants_kvm || profile.clock == Clock::Virtual {
        return AcceleratorChoice {
            accelerator: Accelerator::Tcg,
            reason: None,
        };
    }
    match try_kvm(launch) {
        Ok(()) => AcceleratorChoice {
            accelerator: Accelerator::Kvm,
            reason: None,
        },
        Err(reason) => AcceleratorChoice {
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
                // If it cannot be stored, the next run repeats the trial.
                let _ = launch.cache.write(name, text.as_bytes());
            }
            text
        }
    };
    if outcome.is_empty() { Ok(()) } else { Err(outcome) }
}

/// What a trial's result depends on besides the host's boot and QEMU. A local kernel and a complete system can fail for
/// reasons of their own, so their results do not count for other guests.
fn trial_scope<'l>(launch: &Launch<'l>) -> &'l str {
    match &launch.profile.qemu().kernel {
        KernelSource::Path { .. } => &launch.kernel.sha256,
        KernelSource::Disk { url, .. } => url,
        KernelSource::Debian { .. }
        | KernelSource::Pinned { .. }
        | KernelSource::Sets { .. }
        | KernelSource::Iso { .. }
        | KernelSource::Local => "",
    }
}

/// Explains why /dev/kvm cannot be used, and what to do.
pub(crate) fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no /dev/kvm".into(),
        io::ErrorKind::PermissionDenied => {
            "no permission to open /dev/kvm: join its group (usually kvm)".into()
        }
        _ => format!("/dev/kvm cannot be opened: {error}"),
    }
}

/// Boots the guest with KVM. Returns the reason of a failure, or an empty text.
fn trial(launch: Launch<'_>) -> String {
    let mut profile = launch.profile.clone();
    profile.timing.boot_secs = match profile.boot_method() {
        Ok(BootMethod::Disk) => SYSTEM_TRIAL_SECS,
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
                "/dev/kvm exists, but a trial boot failed: {}",
                text.split("; ").next().unwrap_or_default()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = |kind: io::ErrorKind| refusal(&kind.into());
        assert_eq!(text(io::ErrorKind::NotFound), "there is no /dev/kvm");
        assert!(text(io::ErrorKind::PermissionDenied).contains("join its group"));
    }
}
