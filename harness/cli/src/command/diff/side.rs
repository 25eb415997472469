//! One side of a comparison by name: a platform, a kernel, an implementation on this machine, or both with a `+`.

use reusespec_core::protocol::{Hello, Implementation};
use reusespec_core::system::{KNOWN_SYSTEMS, System, kernel_names};
use reusespec_platforms::profile::{PlatformProfile, ProfileError};

use crate::implementations;
use crate::plan::{KERNEL, REFERENCE};
use crate::platforms::{self, PlatformError};
use crate::run::HOST;
use crate::session::{Progress, Session};

/// A kernel, and what ran on it.
#[derive(Debug)]
pub(super) struct Side {
    /// As it was typed.
    pub(super) name: String,
    /// The system, for the ranges of claims.
    pub(super) system: System,
    /// Names of its snapshots, the kernel's own first.
    pub(super) kernels: Vec<String>,
    /// Each scenario's own if `None`.
    pub(super) implementation: Option<String>,
}

/// A name that means nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SideError {
    #[error(
        "`{0}` is no platform, kernel or implementation; expected for example `linux-6.12`, `linux-6.1-s390x` or `host+go`"
    )]
    Unknown(String),
    #[error(transparent)]
    PlatformProfile(#[from] ProfileError),
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("this machine does not say what it is: {0}")]
    Silent(String),
}

impl Side {
    pub(super) fn find(name: &str, profiles: &[implementations::Implementation]) -> Result<Self, SideError> {
        let (place, implementation) = match name.split_once('+') {
            Some((place, implementation)) => (place, Some(implementation)),
            None => (name, None),
        };
        let known = |implementation: &str| {
            let ours = [KERNEL, REFERENCE].contains(&implementation);
            ours || profiles.iter().any(|profile| profile.name == implementation)
        };
        if let Some(implementation) = implementation
            && !known(implementation)
        {
            return Err(SideError::Unknown(name.to_owned()));
        }
        let (kernel, implementation) = match kernel(place)? {
            Some(kernel) => (kernel, implementation),
            None if implementation.is_none() && known(place) => (this_machine()?, Some(place)),
            None => return Err(SideError::Unknown(name.to_owned())),
        };
        let (system, machine) = kernel;
        Ok(Self {
            name: name.to_owned(),
            kernels: kernel_names(&system, &machine),
            system,
            implementation: implementation.map(str::to_owned),
        })
    }
}

/// The system and machine that a name stands for.
fn kernel(name: &str) -> Result<Option<(System, String)>, SideError> {
    if name == HOST {
        return this_machine().map(Some);
    }
    match PlatformProfile::find(name) {
        Ok(profile) => {
            let system = System {
                name: profile.system.to_string(),
                release: profile.version,
            };
            return Ok(Some((system, profile.machine)));
        }
        // It may be a kernel or an implementation.
        Err(ProfileError::Unknown { .. }) => {}
        Err(error) => return Err(SideError::PlatformProfile(error)),
    }
    let mut parts = name.splitn(3, '-');
    let (Some(system), Some(release)) = (parts.next(), parts.next()) else {
        return Ok(None);
    };
    if !KNOWN_SYSTEMS.contains(&system) || !release.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    let system = System {
        name: system.to_owned(),
        release: release.to_owned(),
    };
    Ok(Some((system, parts.next().unwrap_or("x86_64").to_owned())))
}

fn this_machine() -> Result<(System, String), SideError> {
    let host = platforms::host()?;
    let session = Session {
        starter: &*host.starter,
        jobs: 1,
        implementation: Implementation::Kernel,
        capture: false,
    };
    let mut hello: Option<Hello> = None;
    let trouble = session.ask(&mut |progress| {
        if let Progress::Hello(said) = progress {
            hello = Some(said.clone());
        }
    });
    let hello = hello.ok_or_else(|| SideError::Silent(trouble.unwrap_or_default()))?;
    Ok((hello.system, hello.machine))
}
