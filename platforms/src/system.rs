//! The systems that guests run, and by which way each gets to its agent: decided here once, for whoever packs, starts and
//! describes a guest.

use serde::Deserialize;

use crate::profile::KernelSource;

/// An operating system, spelled in profiles as scenarios spell it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OperatingSystem {
    /// Linux.
    Linux,
    /// FreeBSD.
    FreeBsd,
    /// DragonFly BSD.
    DragonFly,
}

/// How an agent of a whole system's own is started on it.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// By a line typed at the serial console of an image on which root has no password: FreeBSD's BASIC-CI images.
    Login,
    /// By a script on a CD that the start-up scripts of DragonFly's live CD look for (rc.d/pfi).
    Pfi,
}

/// The way from power-on to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMethod {
    /// Our archive is the kernel's first root file system, and the agent in it the first process.
    Archive,
    /// Our image is the root file system, and the agent on it the first process.
    RootImage,
    /// The system's own loader and start-up scripts.
    Disk(Entry),
}

impl OperatingSystem {
    /// The way of this system with a kernel from there.
    ///
    /// # Errors
    /// In words, with the way out, where there is none.
    pub fn boot_method(self, kernel: &KernelSource) -> Result<BootMethod, String> {
        match (self, kernel) {
            (_, KernelSource::Disk { entry, .. }) => Ok(BootMethod::Disk(*entry)),
            (Self::Linux, _) => Ok(BootMethod::Archive),
            (Self::FreeBsd, KernelSource::Path { tree: None, .. }) => Err(
                "a FreeBSD kernel has no root file system without a tree: give the unpacked system with --tree".into(),
            ),
            (Self::FreeBsd, KernelSource::Pinned { .. } | KernelSource::Debian { .. }) => {
                Err("a FreeBSD kernel has no root file system without a tree: name its release as `sets`".into())
            }
            (Self::FreeBsd, _) => Ok(BootMethod::RootImage),
            (Self::DragonFly, _) => Err(
                "QEMU cannot start a DragonFly kernel itself: boot it with the root that `reusespec image` writes, and \
                 name what does so as a [boot.command] platform"
                    .into(),
            ),
        }
    }
}
