//! Operating systems and version ranges, as claims name them: `linux`, `dragonfly >= 5.8`, `linux < 6.8`.
//!
//! Versions compare number by number and stop at the first character that is neither digit nor dot, so
//! that `6.18.44-fc` is 6.18.44. A range without a comparison means every version. `linux = 6.12` covers
//! 6.12 and 6.12.94: kernels differ in behaviour by series, and a patch level is rarely known in advance.
//!
//! gVisor is a system of its own with releases of its own, so that it has tables of its own. But it promises to behave
//! as the Linux kernel that its uname(2) reports, so the claims about that version of Linux are judged on it, and each
//! one that fails is a deviation of gVisor.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The systems a claim can name.
pub const KNOWN_SYSTEMS: [&str; 4] = ["linux", "freebsd", "dragonfly", "gvisor"];

/// Systems that promise the behaviour of another one, with the system and the version that they promise. The version of
/// gVisor's promise is in its source (pkg/sentry/syscalls/linux/linux64.go, `LinuxRelease`).
const PROMISES: [(&str, &str, [u32; 3]); 1] = [("gvisor", "linux", [4, 4, 0])];

/// A kernel as the agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Lower-case name: one of [`KNOWN_SYSTEMS`].
    pub name: String,
    /// The kernel's own release text, e.g. `6.18.44-fc` or `14.2-RELEASE`.
    pub release: String,
}

impl System {
    /// The numbers at the front of the release, e.g. `[6, 18, 44]`.
    pub fn version(&self) -> Version {
        Version::leading(&self.release)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.release)
    }
}

/// Dotted numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Vec<u32>);

impl Version {
    /// The first two numbers, `6.18` of `6.18.44`: kernels change their behaviour by series. `None` without numbers.
    pub fn series(&self) -> Option<Self> {
        (!self.0.is_empty()).then(|| Self(self.0.iter().copied().take(2).collect()))
    }

    /// The first number, `14` of `14.3`. `None` without numbers.
    pub fn major(&self) -> Option<u32> {
        self.0.first().copied()
    }

    fn leading(text: &str) -> Self {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        Self(
            text[..end]
                .split('.')
                .filter_map(|part| part.parse().ok())
                .collect(),
        )
    }

    /// Compares only as many numbers as `bound` has, so that 6.12.94 equals the bound 6.12.
    fn against(&self, bound: &Self) -> Ordering {
        let mine = self
            .0
            .iter()
            .copied()
            .chain(std::iter::repeat(0))
            .take(bound.0.len());
        mine.cmp(bound.0.iter().copied())
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = text.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
        numbers.map(Self).map_err(|_| ())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Series,
    AtLeast,
    Above,
}

impl Comparison {
    /// Every sign with its comparison; longer signs first, so that `<=` is not read as `<`.
    const ALL: [(&'static str, Self); 5] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Below),
        (">", Self::Above),
        ("=", Self::Series),
    ];

    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Series => ordering.is_eq(),
            Self::AtLeast => ordering.is_ge(),
            Self::Above => ordering.is_gt(),
        }
    }
}

/// A system, or a range of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SystemRange {
    name: String,
    bound: Option<(Comparison, Version)>,
}

impl SystemRange {
    /// Whether the range contains this system, or the one whose behaviour it promises.
    pub fn contains(&self, system: &System) -> bool {
        let admits = |version: &Version| {
            self.bound
                .as_ref()
                .is_none_or(|(how, bound)| how.admits(version.against(bound)))
        };
        let promised = PROMISES
            .iter()
            .find(|(name, promised, _)| *name == system.name && *promised == self.name);
        match promised {
            Some((_, _, version)) => admits(&Version(version.to_vec())),
            None => self.name == system.name && admits(&system.version()),
        }
    }

    /// Whether some version lies in both ranges. Tries the versions at, just below and just above each bound.
    pub fn overlaps(&self, other: &Self) -> bool {
        let ends = [self, other].into_iter().filter_map(|range| range.bound.as_ref());
        let mut probes = vec![Version(vec![0]), Version(vec![u32::MAX])];
        for (_, version) in ends {
            let last = version.0.len().saturating_sub(1);
            probes.push(version.clone());
            for step in [|n: u32| n.saturating_sub(1), |n: u32| n.saturating_add(1)] {
                let mut near = version.clone();
                if let Some(number) = near.0.get_mut(last) {
                    *number = step(*number);
                }
                probes.push(near);
            }
        }
        probes.into_iter().any(|version| {
            [&self.name, &other.name].into_iter().any(|name| {
                let system = System {
                    name: name.clone(),
                    release: version.to_string(),
                };
                self.contains(&system) && other.contains(&system)
            })
        })
    }
}

impl FromStr for SystemRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name_end = text
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        let (name, rest) = (text[..name_end].to_owned(), text[name_end..].trim());
        if !KNOWN_SYSTEMS.contains(&name.as_str()) {
            return Err(format!(
                "unknown system `{name}`, expected one of `{}`",
                KNOWN_SYSTEMS.join("`, `")
            ));
        }
        if rest.is_empty() {
            return Ok(Self { name, bound: None });
        }
        let unreadable = || format!("unreadable range `{text}`, expected for example `{name} >= 5.8`");
        let (sign, how) = Comparison::ALL
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(unreadable)?;
        let version = rest[sign.len()..].trim().parse().map_err(|()| unreadable())?;
        Ok(Self {
            name,
            bound: Some((how, version)),
        })
    }
}

impl TryFrom<String> for SystemRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SystemRange> for String {
    fn from(range: SystemRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for SystemRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some((how, version)) = &self.bound {
            let sign = Comparison::ALL
                .into_iter()
                .find(|(_, each)| each == how)
                .map_or("", |(sign, _)| sign);
            write!(f, " {sign} {version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(name: &str, release: &str) -> System {
        System {
            name: name.to_owned(),
            release: release.to_owned(),
        }
    }

    fn contains(range: &str, name: &str, release: &str) -> bool {
        range
            .parse::<SystemRange>()
            .unwrap()
            .contains(&system(name, release))
    }

    #[test]
    fn a_bare_name_means_every_version() {
        assert!(contains("linux", "linux", "2.6.32"));
        assert!(!contains("linux", "freebsd", "14.2-RELEASE"));
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(contains("linux < 6.8", "linux", "6.1.176"));
        assert!(!contains("linux < 6.8", "linux", "6.18.44-fc"));
        assert!(contains("dragonfly >= 5.8", "dragonfly", "5.8.3-RELEASE"));
    }

    #[test]
    fn equality_means_the_series() {
        assert!(contains("linux = 6.12", "linux", "6.12.94+deb13"));
        assert!(!contains("linux = 6.12", "linux", "6.1.94"));
    }

    #[test]
    fn ranges_overlap_only_where_a_version_lies_in_both() {
        let overlap = |a: &str, b: &str| {
            a.parse::<SystemRange>()
                .unwrap()
                .overlaps(&b.parse::<SystemRange>().unwrap())
        };
        assert!(overlap("linux", "linux < 6.8"));
        assert!(!overlap("linux < 6.8", "linux >= 6.8"));
        assert!(overlap("linux <= 6.8", "linux >= 6.8"));
        assert!(overlap("linux > 5.10", "linux < 6.1"));
        assert!(!overlap("linux", "freebsd"));
        assert!(overlap("linux < 6.8", "gvisor"));
        assert!(!overlap("linux >= 6.8", "gvisor"));
    }

    #[test]
    fn gvisor_is_judged_by_the_claims_about_the_linux_that_it_reports() {
        assert!(contains("linux", "gvisor", "20240729.0"));
        assert!(contains("linux < 6.5", "gvisor", "20240729.0"));
        assert!(!contains("linux >= 5.7", "gvisor", "20240729.0"));
        assert!(contains("gvisor >= 20240101", "gvisor", "20240729.0"));
        assert!(!contains("gvisor", "linux", "4.4.0"));
    }

    #[test]
    fn an_unknown_system_is_refused_with_the_list_of_known_ones() {
        let error = "solaris >= 11".parse::<SystemRange>().unwrap_err();
        assert_eq!(
            error,
            "unknown system `solaris`, expected one of `linux`, `freebsd`, `dragonfly`, `gvisor`"
        );
    }
}
