//! One side of a comparison, by its name on the command line: a platform, a kernel, an implementation on this machine,
//! or a platform or kernel and an implementation joined by `+`.

use reusespec_core::protocol::Implementation;
use reusespec_core::system::{KNOWN_SYSTEMS, System, Version};
use reusespec_core::{Deviation, KernelName};
use reusespec_platforms::profile::{PlatformProfile, PlatformProfileError};

use crate::implementations;
use crate::plan::{KERNEL, REFERENCE};
use crate::platforms::{self, OwnKernel, PlatformError};
use crate::run::HOST;
use crate::session::{Session, SessionError};

/// A kernel and an implementation.
#[derive(Debug)]
pub(super) struct Side {
    /// The name on the command line.
    pub(super) name: String,
    /// The system, which the ranges of claims are compared with.
    pub(super) system: System,
    /// The kernel as snapshots name it.
    pub(super) kernel: KernelName,
    /// The implementation; each scenario's default implementation if `None`.
    pub(super) implementation: Option<String>,
    /// The known deviations of the platform and of the implementation.
    pub(super) deviations: Vec<Deviation>,
}

/// A name cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub(super) enum SideError {
    #[error(
        "`{0}` is no platform, kernel or implementation; expected for example `linux-6.12`, `linux-6.1-s390x` or `host+go`"
    )]
    Unknown(String),
    #[error(transparent)]
    PlatformProfile(#[from] PlatformProfileError),
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("cannot ask this machine for its kernel")]
    Session(#[from] SessionError),
}

impl Side {
    /// Whether a kernel is the side's, or of the same branch. FreeBSD has a branch for each major version, whose releases
    /// keep the interfaces.
    pub(super) fn is_of_its_branch(&self, kernel: &KernelName) -> bool {
        let major = |name: &KernelName| name.parts().0.map(Version::major);
        kernel == &self.kernel
            || (kernel.system() == "freebsd"
                && self.kernel.system() == "freebsd"
                && kernel.parts().1 == self.kernel.parts().1
                && major(kernel) == major(&self.kernel))
    }

    pub(super) fn find(
        name: &str,
        profiles: &[implementations::ProfiledImplementation],
    ) -> Result<Self, SideError> {
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
        // A kernel that is no platform has no known deviations.
        let platform = platforms::find(place, &OwnKernel::default());
        let mut deviations = platform.map_or_else(|_| Vec::new(), |platform| platform.deviations);
        if let Some(profile) = implementation.and_then(|name| implementations::named(profiles, name)) {
            deviations.extend(profile.deviation.iter().cloned());
        }
        Ok(Self {
            deviations,
            name: name.to_owned(),
            kernel: KernelName::of(&system, &machine),
            system,
            implementation: implementation.map(str::to_owned),
        })
    }
}

/// The system and the machine of a platform or kernel. `None` if the name is neither.
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
        // The name may be that of a kernel or of an implementation.
        Err(PlatformProfileError::Unknown { .. }) => {}
        Err(error) => return Err(SideError::PlatformProfile(error)),
    }
    let Ok(kernel) = name.parse::<KernelName>() else {
        return Ok(None);
    };
    let (Some(series), machine) = kernel.parts() else {
        return Ok(None);
    };
    if !KNOWN_SYSTEMS.contains(&kernel.system()) {
        return Ok(None);
    }
    let system = System {
        name: kernel.system().to_owned(),
        release: series.to_string(),
    };
    Ok(Some((system, machine.unwrap_or("x86_64").to_owned())))
}

fn this_machine() -> Result<(System, String), SideError> {
    let host = platforms::host()?;
    let session = Session {
        starter: &*host.starter,
        jobs: 1,
        implementation: Implementation::Kernel,
        program: &[],
        capture: false,
    };
    let hello = session.hello(&mut |_| ())?;
    Ok((hello.system, hello.machine))
}
