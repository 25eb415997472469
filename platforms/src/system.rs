//! The operating systems of guests, and how each boots to its agent. All code that prepares, starts or describes a
//! guest takes the decision from here.

use serde::Deserialize;

use crate::profile::KernelSource;

/// The operating system of a guest. Profiles, scenarios and snapshots use the same lower-case names.
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

/// How the agent is started on a complete system that boots by itself.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// By a login as root at the serial console and a typed command line. For images on which root has no password:
    /// FreeBSD's BASIC-CI images.
    Login,
    /// By a script on a second CD, which the start-up scripts of DragonFly's live CD look for (rc.d/pfi).
    Pfi,
}

/// How a guest boots to its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMethod {
    /// QEMU starts the kernel with our initramfs. The agent in it is the first process.
    Initramfs,
    /// QEMU starts the kernel, which mounts our ISO 9660 image as its root. The agent on it is the first process.
    RootImage,
    /// A complete system boots from its own disk, and its start-up scripts or a login start the agent.
    Disk(Entry),
}

impl OperatingSystem {
    /// How this system boots with a kernel from `kernel`.
    ///
    /// # Errors
    /// A message that says what to do, if it cannot be booted with such a kernel.
    pub fn boot_method(self, kernel: &KernelSource) -> Result<BootMethod, String> {
        match (self, kernel) {
            (_, KernelSource::Disk { entry, .. }) => Ok(BootMethod::Disk(*entry)),
            (Self::Linux, _) => Ok(BootMethod::Initramfs),
            (Self::FreeBsd, KernelSource::Path { tree: None, .. }) => Err(
                "a FreeBSD kernel needs a root file system: give the unpacked system with --tree".into(),
            ),
            (Self::FreeBsd, KernelSource::Pinned { .. } | KernelSource::Debian { .. }) => {
                Err("a FreeBSD kernel needs a root file system: name its release as `kernel.sets`".into())
            }
            (Self::FreeBsd, _) => Ok(BootMethod::RootImage),
            (Self::DragonFly, _) => Err(
                "QEMU cannot start a DragonFly kernel directly: boot it by other means with the root image that \
                 `reusespec image` writes, and describe that command as a [boot.command] platform"
                    .into(),
            ),
        }
    }
}
