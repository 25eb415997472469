//! A guest as data: `platforms/*.toml`, read into a [`PlatformProfile`].
//!
//! `kernel` fetches what `boot.qemu.kernel` names, and `qemu` makes a machine of the rest. The host uses capabilities,
//! timing and deviations to plan and judge a run.
//!
//! The files are compiled in, so that an installed command needs no source tree. Instead of a name, the path of another
//! file may be given. A virtual clock has no file of its own: `linux-6.12-virtual` is `linux-6.12` with
//! `clock = "virtual"`, because a copy for each variant would diverge. The price: a profile cannot say anything that
//! holds only for one of the two clocks.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use reusespec_core::Deviation;
use reusespec_core::profile::Varies;
use serde::Deserialize;

pub use crate::system::{BootMethod, OperatingSystem};

// `GUESTS` and `COMMANDS`: name and text of each profile in this crate's folder, sorted by name.
include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The suffix of a platform's name that selects the virtual clock.
const VIRTUAL: &str = "-virtual";

/// The content of a guest's profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlatformProfile {
    /// Its name in `--platform`; not in the file.
    #[serde(skip)]
    pub name: String,
    /// The operating system, as in a scenario's `on`.
    pub system: OperatingSystem,
    /// The system's version, compared number by number: `6.12`. The agent's hello reports the version that really runs.
    pub version: String,
    /// The machine, as `uname -m` prints it: `x86_64`, `aarch64`.
    pub machine: String,
    /// The Rust target of the agent: `x86_64-unknown-linux-musl`.
    pub target: String,
    /// The guest's clock.
    #[serde(default)]
    pub clock: Clock,
    /// The capabilities that the agent's hello must report. A guest that lacks one of them is broken, while cases on an
    /// unknown machine that lacks it are unsupported.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Timeouts, in real time.
    #[serde(default)]
    pub timing: GuestTimeouts,
    /// How it is started.
    pub boot: Boot,
    /// Claims that are known not to hold here.
    #[serde(default, rename = "deviation")]
    pub deviations: Vec<Deviation>,
    /// Scenarios in which the kernel's rows differ from run to run. Their claims are judged as always.
    #[serde(default)]
    pub varies: Vec<Varies>,
}

/// The guest's clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// A second in the guest is a second on the host.
    #[default]
    Real,
    /// QEMU's icount clock, which skips idle time: two hours pass in seconds, identically in each run. The guest cannot
    /// communicate with anything outside.
    Virtual,
}

/// Timeouts, in real time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GuestTimeouts {
    /// Limits the time from QEMU's start to the agent's first line, in seconds. The default is ten times what an
    /// emulated CPU needs on an idle machine.
    pub boot_secs: u32,
    /// The factor by which time budgets grow, because the guest's CPU is emulated.
    pub slower: u32,
}

impl Default for GuestTimeouts {
    fn default() -> Self {
        Self {
            boot_secs: 40,
            slower: 10,
        }
    }
}

/// How the guest is started. The file has one table, whose name is the kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// A virtual machine.
    Qemu(Qemu),
}

/// A machine for `qemu-system-*`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Qemu {
    /// The emulator: the suffix of `qemu-system-…`.
    pub emulator: String,
    /// QEMU's machine type in real time. Virtual time may need another one.
    pub machine_type: MachineType,
    /// The CPU model. A named, simple one: `max` is a fifth slower and differs between QEMU's versions.
    pub cpu: String,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The number of processors.
    #[serde(default = "one_processor")]
    pub processors: u32,
    /// The accelerators that may execute the guest, in order of preference. KVM is used only after a trial boot
    /// succeeded.
    pub accelerators: Vec<Accelerator>,
    /// The source of the kernel.
    pub kernel: KernelSource,
    /// Modules to load before the agent serves. Their dependencies are added, and modules that are built in are left
    /// out.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Modules for the virtio-serial channel. If one of them is neither built in nor available as a file, the channel
    /// is the second serial port.
    #[serde(default)]
    pub channel_modules: Vec<String>,
    /// Words added to the kernel's command line.
    #[serde(default)]
    pub command_line: Vec<String>,
}

fn one_processor() -> u32 {
    1
}

/// QEMU's machine types to which `qemu::command` can attach a console and a channel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MachineType {
    /// x86 without PCI and ACPI: it boots fastest, but has only serial ports. [`MachineType::Q35`] replaces it for the
    /// virtual clock, large payloads and root images; `qemu::command` explains why.
    Microvm,
    /// x86 with PCI.
    Q35,
    /// arm64 and riscv64 with virtio-mmio.
    Virt,
    /// s390x with channel devices.
    S390,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The host's CPU, through the host's kernel.
    Kvm,
    /// QEMU's emulator, which translates the instructions.
    Tcg,
}

/// The source of a kernel.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum KernelSource {
    /// A Debian package, downloaded with this machine's apt.
    Debian {
        /// Debian's release: `bookworm`.
        suite: String,
        /// The meta package whose dependencies name the current kernel: `linux-image-cloud-amd64`.
        package: String,
        /// Debian's name of the architecture: `amd64`.
        architecture: String,
    },
    /// Local files.
    Path {
        /// bzImage, Image or ELF.
        image: PathBuf,
        /// The kernel's `lib/modules/VERSION`.
        modules: Option<PathBuf>,
        /// The unpacked system from which the root image is made, if the guest does not boot into an initramfs.
        tree: Option<PathBuf>,
    },
    /// The distribution sets of a FreeBSD release, pinned by their SHA-256.
    Sets {
        /// The URL of the folder with `kernel.txz` and `base.txz`.
        folder: String,
        /// The SHA-256 of `kernel.txz`, in hexadecimal.
        kernel: String,
        /// The SHA-256 of `base.txz`.
        base: String,
    },
    /// A kernel at a URL, pinned by its SHA-256.
    Pinned {
        /// The URL. A partial download is continued.
        url: String,
        /// The file's SHA-256, in hexadecimal.
        sha256: String,
    },
    /// A complete system on a disk or CD, whose own loader starts its kernel.
    Disk {
        /// The URL. A file that ends with `.xz` or `.bz2` is decompressed.
        url: String,
        /// The SHA-256 of the file at the URL, in hexadecimal. If its publisher gives none, the hash of the first
        /// download that can be decompressed is recorded, and every later download must have the same.
        sha256: Option<String>,
    },
    /// The kernel and the libraries in the ISO image of a release.
    Iso {
        /// The URL. An image that ends with `.xz` or `.bz2` is decompressed.
        url: String,
        /// The SHA-256 of the file at the URL, as for `Disk`.
        sha256: Option<String>,
    },
    /// No file: this version was never released, so `--kernel` and `--tree` must name a build of it.
    Local,
}

impl KernelSource {
    /// The files to download, as URL and SHA-256. The hash is `None` if it is not published.
    pub(crate) fn files(&self) -> Vec<(String, Option<&str>)> {
        match self {
            Self::Sets { folder, kernel, base } => vec![
                (format!("{folder}/kernel.txz"), Some(kernel)),
                (format!("{folder}/base.txz"), Some(base)),
            ],
            Self::Pinned { url, sha256 } => vec![(url.clone(), Some(sha256))],
            Self::Disk { url, sha256 } | Self::Iso { url, sha256 } => vec![(url.clone(), sha256.as_deref())],
            Self::Debian { .. } | Self::Path { .. } | Self::Local => Vec::new(),
        }
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlatformProfileError {
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
        /// The operating system's error.
        source: io::Error,
    },
    /// The text is not a profile. The source shows line and column.
    #[error("{origin} is not a platform")]
    Text {
        /// The file's path, as the user knows it.
        origin: String,
        /// The parser's error, with line, column and the line itself.
        source: Box<toml::de::Error>,
    },
    /// Each value is valid, but not in this combination.
    #[error("{origin}: {what}")]
    Contradiction {
        /// The file's path, as the user knows it.
        origin: String,
        /// The contradiction, and what to do.
        what: String,
    },
}

impl PlatformProfile {
    /// The guest `name`: a built-in name or the path of a `.toml` file, either with `-virtual` appended or not.
    pub fn find(name: &str) -> Result<Self, PlatformProfileError> {
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
                    read.map_err(|source| PlatformProfileError::Read {
                        path: base.into(),
                        source,
                    })?,
                )
            }
            None => {
                return Err(PlatformProfileError::Unknown {
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

    /// All built-in guests, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        GUESTS
            .iter()
            .map(|(name, _)| Self::find(name).expect("a test reads all built-in profiles"))
    }

    /// Parses a profile. Errors name `origin` as the file.
    pub fn parse(origin: &str, text: &str) -> Result<Self, PlatformProfileError> {
        toml::from_str(text).map_err(|source| PlatformProfileError::Text {
            origin: origin.to_owned(),
            source: Box::new(source),
        })
    }

    /// The QEMU machine.
    pub fn qemu(&self) -> &Qemu {
        let Boot::Qemu(qemu) = &self.boot;
        qemu
    }

    /// Whether its kernel must be given by the user, because there is nothing to download.
    pub fn is_local(&self) -> bool {
        matches!(self.qemu().kernel, KernelSource::Local)
    }

    /// How the guest boots to its agent.
    ///
    /// # Errors
    /// When this system cannot be booted with this kernel source.
    pub fn boot_method(&self) -> Result<BootMethod, PlatformProfileError> {
        let contradiction = |what| PlatformProfileError::Contradiction {
            origin: self.name.clone(),
            what,
        };
        self.system
            .boot_method(&self.qemu().kernel)
            .map_err(contradiction)
    }

    fn check(&self, origin: &str) -> Result<(), PlatformProfileError> {
        let contradiction = |what: String| {
            Err(PlatformProfileError::Contradiction {
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
                    "the sha256 of {url} is not 64 hexadecimal digits: copy the output of sha256sum"
                ));
            }
        }
        match self.system.boot_method(&qemu.kernel) {
            Ok(BootMethod::Disk) if self.clock == Clock::Virtual => {
                return contradiction(
                    "a system that boots from its own disk cannot have a virtual clock: its agent cannot receive its \
                     requests before the clock runs"
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
                    "two deviations for claim {} of {}: remove one",
                    deviation.claim, deviation.scenario
                ));
            }
        }
        Ok(())
    }
}

/// The names of all built-in guests, each also with `-virtual` if it can have a virtual clock.
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
    fn the_suffix_virtual_selects_the_virtual_clock() {
        let profile = PlatformProfile::find("linux-6.12-virtual").unwrap();
        assert_eq!(
            (profile.name.as_str(), profile.clock),
            ("linux-6.12-virtual", Clock::Virtual)
        );
        assert_eq!(PlatformProfile::find("linux-6.12").unwrap().clock, Clock::Real);
    }

    #[test]
    fn errors_name_the_place_and_say_what_to_do() {
        let (_, text) = GUESTS.iter().find(|(name, _)| *name == "linux-5.10").unwrap();
        let mut all = String::new();
        let mut note = |error: PlatformProfileError| {
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
