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

/// How a guest boots to its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMethod {
    /// QEMU starts the kernel with our initramfs. The agent in it is the first process.
    Initramfs,
    /// QEMU starts the kernel, which mounts our ISO 9660 image as its root. The agent on it is the first process.
    RootImage,
    /// QEMU starts our Multiboot loader, which starts the kernel with our ISO 9660 image as its root, in memory. The
    /// agent on it is the first process.
    Loader,
    /// A complete system boots from its own disk. A login as root at the serial console starts the agent.
    Disk,
}

impl OperatingSystem {
    /// How this system boots with a kernel from `kernel`.
    ///
    /// # Errors
    /// A message that says what to do, if it cannot be booted with such a kernel.
    pub fn boot_method(self, kernel: &KernelSource) -> Result<BootMethod, String> {
        match (self, kernel) {
            (Self::FreeBsd, KernelSource::Disk { .. }) => Ok(BootMethod::Disk),
            (Self::Linux | Self::DragonFly, KernelSource::Disk { .. }) => Err(
                "only a FreeBSD system can boot from its own disk: the login at its console is FreeBSD's"
                    .into(),
            ),
            (Self::Linux | Self::FreeBsd, KernelSource::Iso { .. }) => {
                Err("only a DragonFly kernel can come out of a release ISO (`kernel.iso`)".into())
            }
            (Self::Linux, _) => Ok(BootMethod::Initramfs),
            (Self::FreeBsd, KernelSource::Path { tree: None, .. }) => {
                Err("a FreeBSD kernel needs a root file system: give the unpacked system with --tree".into())
            }
            (Self::FreeBsd, KernelSource::Pinned { .. } | KernelSource::Debian { .. }) => {
                Err("a FreeBSD kernel needs a root file system: name its release as `kernel.sets`".into())
            }
            (Self::FreeBsd, _) => Ok(BootMethod::RootImage),
            (Self::DragonFly, KernelSource::Path { tree: None, .. }) => Err(
                "a DragonFly kernel needs a root file system: give the unpacked system with --tree".into(),
            ),
            (Self::DragonFly, KernelSource::Path { .. } | KernelSource::Iso { .. } | KernelSource::Local) => {
                Ok(BootMethod::Loader)
            }
            (
                Self::DragonFly,
                KernelSource::Debian { .. } | KernelSource::Sets { .. } | KernelSource::Pinned { .. },
            ) => Err("a DragonFly kernel needs a root file system: name its release as `kernel.iso`".into()),
        }
    }
}
