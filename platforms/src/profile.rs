//! A platform as data: `platforms/*.toml`, read into a [`PlatformProfile`].
//!
//! Neighbours: `kernel` fetches what `boot.qemu.kernel` names, `qemu` turns the rest into a machine; capabilities,
//! timing and deviations are for whoever plans and judges a run.
//!
//! The files are compiled in, so that an installed command needs no source tree, and a name may be a path to a file
//! of one's own. A virtual clock has no file: `linux-6.12-virtual` is `linux-6.12` with `clock = "virtual"`, because
//! a copied file per variant drifts. The price: what holds for the real clock only cannot be said of the variant.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use reusespec_core::Deviation;
use serde::Deserialize;

pub use crate::system::{BootMethod, Entry, OperatingSystem};

// `GUESTS` and `COMMANDS`: name and text of each profile in this crate's folder, sorted by name.
include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The ending that asks for the virtual clock.
const VIRTUAL: &str = "-virtual";

/// One platform, as its file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlatformProfile {
    /// What `--platform` calls it; not in the file.
    #[serde(skip)]
    pub name: String,
    /// What a scenario's `on` names.
    pub system: OperatingSystem,
    /// The system's version, compared number by number: `6.12`. What runs is what the agent's hello says.
    pub version: String,
    /// The machine as `uname -m` says it: `x86_64`, `aarch64`.
    pub machine: String,
    /// The Rust target the agent is built for: `x86_64-unknown-linux-musl`.
    pub target: String,
    /// Which clock the guest lives by.
    #[serde(default)]
    pub clock: Clock,
    /// What the agent's hello must report as there: a guest that loses one of them is broken, where an unknown machine
    /// would merely not support it.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Limits on real time.
    #[serde(default)]
    pub timing: Timing,
    /// How it is started.
    pub boot: Boot,
    /// Claims known not to hold here.
    #[serde(default, rename = "deviation")]
    pub deviations: Vec<Deviation>,
}

/// The guest's clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// A second of the guest is a second outside.
    #[default]
    Real,
    /// An idle guest skips to its next timer: two hours pass in seconds, the same way each time. No peer outside.
    Virtual,
}

/// Limits on real time, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Timing {
    /// From the start of the machine to the agent's first line; beyond it the guest is given up. An emulated CPU on
    /// a busy machine is allowed ten times what it takes on an idle one.
    pub boot_secs: u32,
    /// By how much budgets for work on the CPU are stretched, as this machine's CPU is emulated.
    pub slower: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            boot_secs: 40,
            slower: 10,
        }
    }
}

/// How a platform is started. One table, named after the means.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// A virtual machine of our own.
    Qemu(Qemu),
}

/// A machine for `qemu-system-*`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Qemu {
    /// The emulator: the ending of `qemu-system-…`.
    pub emulator: String,
    /// The board: real time and virtual time may want different ones.
    pub machine_type: MachineType,
    /// A named, simple CPU: `max` costs a fifth more time and changes with QEMU's version.
    pub cpu: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// What may execute the guest, in order of preference. Anything but `tcg` is proved by a trial boot first.
    pub accelerators: Vec<Accelerator>,
    /// Where the kernel comes from.
    pub kernel: KernelSource,
    /// Modules to load before the agent serves; what they depend on is added, what is built in is left out.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Modules of the virtio-serial channel, tried like `modules`. Where they are neither in the kernel nor beside
    /// it, the channel is the second serial port.
    #[serde(default)]
    pub channel_modules: Vec<String>,
    /// Further words of the kernel's command line.
    #[serde(default)]
    pub command_line: Vec<String>,
}

/// The boards we know how to attach a console and a data channel to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MachineType {
    /// x86 without PCI or ACPI: the quickest start, serial ports only. [`MachineType::Q35`] takes its place where that does
    /// not do (virtual clock, much to say); `qemu::command` says why.
    Microvm,
    /// x86 with PCI.
    Q35,
    /// arm64 and riscv64 with virtio-mmio.
    Virt,
    /// s390x with channel devices.
    S390,
}

/// Who executes the guest's instructions.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The CPU, by the host kernel.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// Where a kernel comes from.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum KernelSource {
    /// A Debian package, through the machine's own apt.
    Debian {
        /// The release the package is taken from: `bookworm`.
        suite: String,
        /// The meta package whose dependencies name the current kernel: `linux-image-cloud-amd64`.
        package: String,
        /// Debian's name of the architecture: `amd64`.
        architecture: String,
    },
    /// Files of this machine.
    Path {
        /// bzImage, Image or ELF.
        image: PathBuf,
        /// The `lib/modules/VERSION` that belongs to it.
        modules: Option<PathBuf>,
        /// The unpacked system that the root file system is made from, where that is not an initramfs.
        tree: Option<PathBuf>,
    },
    /// FreeBSD's distribution sets of a release, pinned by their content.
    Sets {
        /// The address of the folder that has `kernel.txz` and `base.txz`.
        folder: String,
        /// The SHA-256 of `kernel.txz`, in hexadecimal.
        kernel: String,
        /// The SHA-256 of `base.txz`.
        base: String,
    },
    /// A file of a web server, pinned by its content.
    Pinned {
        /// Where it is; a partial download is continued.
        url: String,
        /// 64 hexadecimal digits.
        sha256: String,
    },
    /// A whole system on a disk or CD, whose own loader starts its kernel.
    Disk {
        /// Where it is; what ends with `.xz` or `.bz2` is decompressed.
        url: String,
        /// 64 hexadecimal digits, of the file as it is there. Where its publisher gives none, the first one that
        /// can be decompressed is recorded, and every later one must be the same.
        sha256: Option<String>,
        /// How the agent is started on it.
        entry: Entry,
    },
}

impl KernelSource {
    /// The pinned files, by address and hash, where that is known.
    pub(crate) fn files(&self) -> Vec<(String, Option<&str>)> {
        match self {
            Self::Sets { folder, kernel, base } => vec![
                (format!("{folder}/kernel.txz"), Some(kernel)),
                (format!("{folder}/base.txz"), Some(base)),
            ],
            Self::Pinned { url, sha256 } => vec![(url.clone(), Some(sha256))],
            Self::Disk { url, sha256, .. } => vec![(url.clone(), sha256.as_deref())],
            Self::Debian { .. } | Self::Path { .. } => Vec::new(),
        }
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The name is neither built in nor a file.
    #[error("no platform `{name}`; `reusespec platforms` prints them all, or give the path of a .toml file")]
    Unknown {
        /// As given.
        name: String,
    },
    /// The file exists but cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The text is not a profile; the cause shows line and column.
    #[error("{origin} is not a platform")]
    Text {
        /// The file, as the reader would look for it.
        origin: String,
        /// With line, column and the line itself.
        source: Box<toml::de::Error>,
    },
    /// Each value is fine, together they are not.
    #[error("{origin}: {what}")]
    Contradiction {
        /// The file, as the reader would look for it.
        origin: String,
        /// What contradicts what, and the way out.
        what: String,
    },
}

impl PlatformProfile {
    /// The platform called `name`: built in, `-virtual` appended to such a name, or the path of a `.toml` file
    /// (also with `-virtual` appended to it).
    pub fn find(name: &str) -> Result<Self, ProfileError> {
        let (base, clock) = match name.strip_suffix(VIRTUAL) {
            Some(base) => (base, Some(Clock::Virtual)),
            None => (name, None),
        };
        let (origin, text) = match GUESTS.iter().find(|(known, _)| *known == base) {
            Some((known, text)) => (format!("platforms/{known}.toml"), (*text).to_owned()),
            None if base.ends_with(".toml") => {
                let read = fs::read_to_string(base);
                (
                    base.to_owned(),
                    read.map_err(|source| ProfileError::Read {
                        path: base.into(),
                        source,
                    })?,
                )
            }
            None => {
                return Err(ProfileError::Unknown {
                    name: name.to_owned(),
                });
            }
        };
        let mut profile = Self::parse(&origin, &text)?;
        if let Some(clock) = clock {
            profile.clock = clock;
        }
        profile.name = Path::new(name).file_name().map_or(name.to_owned(), |file| {
            file.to_string_lossy().replace(".toml", "")
        });
        profile.check(&origin)?;
        Ok(profile)
    }

    /// Every platform that comes with the program, in the order of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        GUESTS
            .iter()
            .map(|(name, _)| Self::find(name).expect("a test reads every built-in profile"))
    }

    /// Read a profile's text; `origin` is named in errors.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|source| ProfileError::Text {
            origin: origin.to_owned(),
            source: Box::new(source),
        })
    }

    /// The QEMU machine.
    pub fn qemu(&self) -> &Qemu {
        let Boot::Qemu(qemu) = &self.boot;
        qemu
    }

    /// How its agent gets to run.
    ///
    /// # Errors
    /// Where there is no way with this kernel.
    pub fn boot_method(&self) -> Result<BootMethod, ProfileError> {
        let contradiction = |what| ProfileError::Contradiction {
            origin: self.name.clone(),
            what,
        };
        self.system
            .boot_method(&self.qemu().kernel)
            .map_err(contradiction)
    }

    fn check(&self, origin: &str) -> Result<(), ProfileError> {
        let contradiction = |what: String| {
            Err(ProfileError::Contradiction {
                origin: origin.to_owned(),
                what,
            })
        };
        let qemu = self.qemu();
        if qemu.accelerators.is_empty() {
            return contradiction("accelerators is empty: write [\"tcg\"]".into());
        }
        for (url, sha256) in qemu.kernel.files() {
            let wrong =
                |sha256: &str| sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            if sha256.is_some_and(wrong) {
                return contradiction(format!(
                    "sha256 of {url} is not 64 hexadecimal digits: take what sha256sum prints"
                ));
            }
        }
        match self.system.boot_method(&qemu.kernel) {
            Ok(BootMethod::Disk(_)) if self.clock == Clock::Virtual => {
                return contradiction(
                    "a system that is started from its own disk has no virtual clock: nothing could tell its agent what \
                     to do before the clock runs"
                        .into(),
                );
            }
            Ok(_) => {}
            Err(what) => return contradiction(what),
        }
        let mut seen = BTreeMap::new();
        for deviation in &self.deviations {
            if seen.insert((&deviation.scenario, &deviation.claim), ()).is_some() {
                return contradiction(format!(
                    "two deviations for claim {} of {}: keep one",
                    deviation.claim, deviation.scenario
                ));
            }
        }
        Ok(())
    }
}

/// The names `--platform` takes without a file, virtual clocks included where there is one.
pub fn names() -> impl Iterator<Item = String> {
    GUESTS
        .iter()
        .flat_map(|(name, _)| [(*name).to_owned(), format!("{name}{VIRTUAL}")])
        .filter(|name| PlatformProfile::find(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::RemotePlatform;

    #[test]
    fn every_built_in_file_reads_as_a_platform_of_its_list() {
        assert_eq!(PlatformProfile::all().count(), GUESTS.len());
        assert!(GUESTS.iter().any(|(name, _)| *name == "linux-6.12"));
        for (name, _) in COMMANDS {
            RemotePlatform::find(name).unwrap().unwrap();
        }
    }

    #[test]
    fn virtual_is_a_suffix_of_any_platform() {
        let profile = PlatformProfile::find("linux-6.12-virtual").unwrap();
        assert_eq!(
            (profile.name.as_str(), profile.clock),
            ("linux-6.12-virtual", Clock::Virtual)
        );
        assert_eq!(PlatformProfile::find("linux-6.12").unwrap().clock, Clock::Real);
    }

    #[test]
    fn errors_name_the_place_and_the_way_out() {
        let (_, text) = GUESTS.iter().find(|(name, _)| *name == "linux-5.10").unwrap();
        let mut all = String::new();
        let mut note = |error: ProfileError| {
            all += &format!("{error}\n");
            if let Some(cause) = std::error::Error::source(&error) {
                all += &format!("{cause}\n");
            }
        };
        note(PlatformProfile::find("linux-9").unwrap_err());
        note(PlatformProfile::parse("mine.toml", &text.replace("memory-mib", "memory")).unwrap_err());
        note(PlatformProfile::parse("mine.toml", &text.replace("\"microvm\"", "\"pc\"")).unwrap_err());
        let empty = PlatformProfile::parse("mine.toml", &text.replace("[\"kvm\", \"tcg\"]", "[]")).unwrap();
        note(empty.check("mine.toml").unwrap_err());
        insta::assert_snapshot!(all);
    }
}
