//! The names of snapshots: which file holds the rows of a scenario on a kernel, for an implementation.
//!
//! ```text
//! fastcgi/ids/snapshots/go/reuse@linux-6.1.snap
//! ───────┬───           ─┬ ──┬── ────┬────
//!        └ scenario ─────│───┘       └ kernel
//!                        └ implementation
//! ```
//! Only this module composes these names, takes them apart, and decides in which order they are looked up. A kernel
//! without a table of its own uses the table of its series, then the table of its system (`@linux`). An implementation
//! without a table of its own uses that of the implementation its profile names as `like`, then that of the scenario's
//! default implementation. So a table exists only where rows differ.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::system::{System, Version};

/// Kernels of these machines have no machine in their names.
const DEFAULT_MACHINES: [&str; 2] = ["x86_64", "amd64"];
/// The folder with a folder for each implementation.
const FOLDER: &str = "snapshots";
const EXTENSION: &str = ".snap";

/// A kernel, or a group of kernels, as snapshots name it: `linux`, `linux-6.1` or `linux-6.1-s390x`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct KernelName {
    system: String,
    series: Option<Version>,
    machine: Option<String>,
}

/// The text is not a kernel's name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a kernel, expected for example `linux-6.1` or `linux-6.1-s390x`")]
pub struct NotAKernel(String);

impl KernelName {
    /// The most particular name of a kernel. `machine` is as uname(1) prints it.
    pub fn of(system: &System, machine: &str) -> Self {
        Self {
            system: system.name.clone(),
            series: system.version().series(),
            machine: (!DEFAULT_MACHINES.contains(&machine)).then(|| machine.to_owned()),
        }
    }

    /// The operating system: `linux`.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The series and the machine where the name has them: `6.1`, `s390x`.
    pub fn parts(&self) -> (Option<&Version>, Option<&str>) {
        (self.series.as_ref(), self.machine.as_deref())
    }

    /// The name that stands for all kernels of the system.
    fn without_series(&self) -> Self {
        Self {
            system: self.system.clone(),
            series: None,
            machine: None,
        }
    }

    /// This name and the more general ones, most particular first: `linux-6.1-s390x`, `linux-6.1`, `linux`.
    fn look_up_order(&self) -> Vec<Self> {
        let series = Self {
            machine: None,
            ..self.clone()
        };
        let mut names = vec![self.clone(), series, self.without_series()];
        names.dedup();
        names
    }
}

impl FromStr for KernelName {
    type Err = NotAKernel;

    fn from_str(text: &str) -> Result<Self, NotAKernel> {
        let not_a_kernel = || NotAKernel(text.to_owned());
        let mut parts = text.splitn(3, '-');
        let system = parts.next().filter(|system| !system.is_empty());
        let series = parts.next().map(str::parse).transpose();
        Ok(Self {
            system: system.ok_or_else(not_a_kernel)?.to_owned(),
            series: series.map_err(|()| not_a_kernel())?,
            machine: parts.next().map(str::to_owned),
        })
    }
}

impl TryFrom<String> for KernelName {
    type Error = NotAKernel;

    fn try_from(text: String) -> Result<Self, NotAKernel> {
        text.parse()
    }
}

impl From<KernelName> for String {
    fn from(name: KernelName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system)?;
        if let Some(series) = &self.series {
            write!(f, "-{series}")?;
        }
        if let Some(machine) = &self.machine {
            write!(f, "-{machine}")?;
        }
        Ok(())
    }
}

/// What the rows of a run were observed on: a kernel, and an implementation in one release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provenance {
    /// The kernel, by its most particular name.
    pub kernel: KernelName,
    /// The implementation's name: `kernel`, `reference`, `nginx`.
    pub implementation: String,
    /// The implementation's version as it prints it itself; `None` for our own and where it is unknown.
    pub release: Option<String>,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.implementation)?;
        if let Some(release) = &self.release {
            write!(f, " ({release})")?;
        }
        write!(f, " on {}", self.kernel)
    }
}

/// The name of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotKey {
    /// The scenario's family.
    pub family: Family,
    /// The rest of the scenario's id: `ids/reuse`.
    pub scenario: String,
    /// The kernel or kernels.
    pub kernel: KernelName,
    /// The implementation's name.
    pub implementation: String,
}

impl SnapshotKey {
    /// The most particular key for the rows of a scenario. `id` is the scenario's id, which begins with the family.
    pub fn of(family: Family, id: &str, provenance: &Provenance) -> Self {
        let scenario = id.split_once('/').map_or(id, |(_, scenario)| scenario);
        Self {
            family,
            scenario: scenario.to_owned(),
            kernel: provenance.kernel.clone(),
            implementation: provenance.implementation.clone(),
        }
    }

    /// The id of the scenario: `fastcgi/ids/reuse`.
    pub fn scenario_id(&self) -> String {
        format!("{}/{}", self.family, self.scenario)
    }

    /// The key of the table for all kernels of the system.
    pub fn for_system(&self) -> Self {
        Self {
            kernel: self.kernel.without_series(),
            ..self.clone()
        }
    }

    /// The keys under which the rows may be found, most particular first. `like` is the implementation that the profile
    /// names so, `default` the scenario's default implementation.
    pub fn look_up_order(&self, like: Option<&str>, default: &str) -> Vec<Self> {
        let kernels = self.kernel.look_up_order();
        let mut implementations: Vec<_> = [Some(self.implementation.as_str()), like, Some(default)]
            .into_iter()
            .flatten()
            .collect();
        implementations.dedup();
        let keys = implementations.into_iter().flat_map(|implementation| {
            kernels.iter().map(move |kernel| Self {
                kernel: kernel.clone(),
                implementation: implementation.to_owned(),
                ..self.clone()
            })
        });
        keys.collect()
    }

    /// The folder of the file, below the folder of scenarios: `fastcgi/ids/snapshots/go`.
    pub fn folder(&self) -> String {
        let id = self.scenario_id();
        let (folder, _) = id.rsplit_once('/').unwrap_or_default();
        format!("{folder}/{FOLDER}/{}", self.implementation)
    }

    /// The scenario's name without folders: `reuse`.
    pub fn scenario_name(&self) -> &str {
        let name = self.scenario.rsplit_once('/');
        name.map_or(self.scenario.as_str(), |(_, name)| name)
    }

    /// The file, below the folder of scenarios: `fastcgi/ids/snapshots/go/reuse@linux-6.1.snap`.
    pub fn path(&self) -> String {
        let (folder, name) = (self.folder(), self.scenario_name());
        format!("{folder}/{name}@{}{EXTENSION}", self.kernel)
    }

    /// The key of a file below the folder of scenarios. `None` if the path is not one that [`Self::path`] returns.
    pub fn from_path(path: &str) -> Option<Self> {
        let (folder, rest) = path.split_once(&format!("/{FOLDER}/"))?;
        let (implementation, file) = rest.split_once('/')?;
        let (name, kernel) = file.strip_suffix(EXTENSION)?.split_once('@')?;
        let id = format!("{folder}/{name}");
        let (family, scenario) = id.split_once('/')?;
        Some(Self {
            family: Family::named(family)?,
            scenario: scenario.to_owned(),
            kernel: kernel.parse().ok()?,
            implementation: implementation.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> SnapshotKey {
        SnapshotKey::from_path(path).unwrap()
    }

    #[test]
    fn a_path_reads_back_as_its_key() {
        for path in [
            "http/snapshots/nginx/host@linux.snap",
            "fastcgi/ids/snapshots/reference/reuse@linux-6.1-s390x.snap",
        ] {
            assert_eq!(key(path).path(), path);
        }
        assert_eq!(
            key("fastcgi/ids/snapshots/go/reuse@linux.snap").scenario_id(),
            "fastcgi/ids/reuse"
        );
        for path in [
            "http/snapshots/host@linux.snap",
            "smtp/snapshots/nginx/host@linux.snap",
            "http/snapshots/nginx/host@linux-old.snap",
        ] {
            assert_eq!(SnapshotKey::from_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_implementation_matters_more_than_the_kernel_in_a_look_up() {
        let key = key("http/snapshots/php-cgi/host@linux-6.1-s390x.snap");
        let paths: Vec<_> = key
            .look_up_order(Some("php-fpm"), "reference")
            .iter()
            .map(SnapshotKey::path)
            .collect();
        insta::assert_snapshot!(paths.join("\n"), @r"
        http/snapshots/php-cgi/host@linux-6.1-s390x.snap
        http/snapshots/php-cgi/host@linux-6.1.snap
        http/snapshots/php-cgi/host@linux.snap
        http/snapshots/php-fpm/host@linux-6.1-s390x.snap
        http/snapshots/php-fpm/host@linux-6.1.snap
        http/snapshots/php-fpm/host@linux.snap
        http/snapshots/reference/host@linux-6.1-s390x.snap
        http/snapshots/reference/host@linux-6.1.snap
        http/snapshots/reference/host@linux.snap
        ");
    }

    #[test]
    fn only_an_unusual_machine_is_part_of_a_kernel_s_name() {
        let system = System {
            name: "linux".to_owned(),
            release: "6.18.44-fc".to_owned(),
        };
        assert_eq!(KernelName::of(&system, "x86_64").to_string(), "linux-6.18");
        assert_eq!(KernelName::of(&system, "s390x").to_string(), "linux-6.18-s390x");
    }

    #[test]
    fn kernels_are_ordered_by_the_numbers_of_their_series() {
        let kernel = |text: &str| text.parse::<KernelName>().unwrap();
        let ordered = ["linux", "linux-6.2", "linux-6.2-s390x", "linux-6.12"].map(kernel);
        assert!(ordered.is_sorted());
    }
}
