//! The profile of an implementation under test: how to start it, what it lacks, and its known deviations.
//!
//! A profile is the file `profile.toml` in a folder below `harness/implementations`. The folder's name is the name of
//! the implementation. A profile and the files it lists write paths and ports as `@name@`, because configuration files
//! often contain braces and dollar signs:
//!
//! | name | is replaced by |
//! |---|---|
//! | `@folder@` | the implementation's folder |
//! | `@implementations@` | the folder of all implementations, for files that two of them share |
//! | `@cache@` | the folder for the output of `build`, which is kept between runs |
//! | `@php-fpm@` | the path of the program that `programs` lists under this name |
//! | `@dir@` | a temporary directory of the case |
//! | `@address@`, `@port@`, `@socket@` | where to listen: `127.0.0.1:4001`, `4001`, `@dir@/socket` |
//!
//! The host replaces the first four before a run, the agent replaces the others in each case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deviation::Deviation;
use crate::family::Family;

/// The capability that a step needs if it starts the program with a listening socket as descriptor 0.
pub const INHERITED: &str = "inherited";

/// The keys of `profile.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImplementationProfile {
    /// The implementation in one sentence.
    pub title: String,
    /// The families of scenarios that can test it. A web server is tested as a FastCGI client if
    /// [`Self::reverse_proxy`] is given; `fastcgi` in this list is for applications.
    pub families: Vec<String>,
    /// How the agent controls it.
    pub kind: Kind,
    /// The programs it needs. The key is the name for `@name@`, the value lists commands; the first that is installed
    /// is used.
    #[serde(default)]
    pub programs: BTreeMap<String, Vec<String>>,
    /// The Debian packages that bring the programs and libraries it needs.
    #[serde(default)]
    pub packages: Vec<String>,
    /// How to install what no Debian package has, as the end of a message: `install a Rust toolchain`.
    #[serde(default)]
    pub install: Option<String>,
    /// The name of another implementation with the same behaviour. This one inherits the `lacks`, `deviation` and
    /// `varies` of that profile, and uses its snapshots where it has none of its own. That profile cannot have `like`
    /// itself.
    #[serde(default)]
    pub like: Option<String>,
    /// The name of another implementation that is built from the same sources. `@folder@` and `@cache@` are then those of
    /// that one, which also has the `build`, the `guest` and the `programs`.
    #[serde(default)]
    pub build_of: Option<String>,
    /// Commands that build the program. They run in `@folder@`, once for each version of the folder's files. If one
    /// fails, all cases are unsupported.
    #[serde(default)]
    pub build: Vec<Vec<String>>,
    /// How to build it for guests.
    #[serde(default)]
    pub guest: Option<GuestBuild>,
    /// The program to start, and its arguments.
    pub start: Vec<String>,
    /// The program and its arguments for cases that pass the listening socket as descriptor 0 (FastCGI 1.0 §2.2). Such
    /// a program is a server also where `kind` is `adapter`.
    #[serde(default)]
    pub start_inherited: Option<Vec<String>>,
    /// A text that a server writes to standard error when it is ready. Only needed if the server accepts connections
    /// before that. Does not apply to [`Self::reverse_proxy`].
    #[serde(default)]
    pub ready_said: Option<String>,
    /// Environment variables of the program.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The value of SCRIPT_FILENAME in every FastCGI request, for applications that run the script which this names.
    #[serde(default)]
    pub script_filename: Option<String>,
    /// Files of the folder that are copied into `@dir@`, with every `@name@` in them replaced.
    #[serde(default)]
    pub files: Vec<String>,
    /// The controls that a server supports while it runs, such as `shutdown`, by name.
    #[serde(default)]
    pub controls: BTreeMap<String, Control>,
    /// How to start it as a web server in front of a FastCGI application.
    #[serde(default)]
    pub reverse_proxy: Option<ReverseProxy>,
    /// The command that prints the version. The first line with a digit is the version.
    pub version: Vec<String>,
    /// The capabilities it has. If empty, it has all that [`Self::lacks`] does not list.
    #[serde(default)]
    pub offers: Vec<String>,
    /// The capabilities it lacks, with reasons.
    #[serde(default)]
    pub lacks: Vec<Lack>,
    /// Its known deviations from claims.
    #[serde(default)]
    pub deviation: Vec<Deviation>,
    /// Scenarios in which its observations differ from run to run, because of a race inside it. Their rows are not
    /// compared with a snapshot; their claims are judged as always.
    #[serde(default)]
    pub varies: Vec<Varies>,
}

/// How to build an adapter for a guest, as one statically linked program. Interpreters have none: they stay on the host.
///
/// The commands may contain `@target@`, the Rust target of the guest, and `@goos@` and `@goarch@`, the values of GOOS and GOARCH for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GuestBuild {
    /// The commands. They run in `@folder@`.
    pub build: Vec<Vec<String>>,
    /// The program that they make. Its arguments are those of `start`.
    pub program: String,
}

/// How to start a web server that passes every request to the FastCGI application at `@upstream@`. In its file
/// `@keep-conn@` is replaced by `on` or `off`, and `@no-keep-conn@` by nothing or `no `.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReverseProxy {
    /// The program to start, and its arguments.
    pub start: Vec<String>,
    /// The configuration, a file of the folder.
    pub file: String,
}

/// How to control a server while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Control {
    /// Values for `@name@` with which [`ImplementationProfile::files`] are written again before `run`. Without any, the
    /// files are written with the values of the case.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The command to run.
    pub run: Vec<String>,
    /// A text that the server writes to standard error when the control has taken effect. Only needed if the command
    /// returns before that.
    #[serde(default)]
    pub until_said: Option<String>,
}

/// The ids of scenarios about web servers begin so.
const CLIENTS: &str = "fastcgi/clients/";

/// A scenario in which the observations of an implementation or a platform differ from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Varies {
    /// The scenario's id.
    pub scenario: String,
    /// The race, in a sentence.
    pub reason: String,
}

/// How the agent controls an implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The program receives requests on standard input and answers on standard output, as [`crate::adapter`] defines
    /// them.
    Adapter,
    /// The program listens at the address in its arguments or files. It is ready when it accepts a connection.
    Server,
}

/// A capability that an implementation lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lack {
    /// The capability, by the name that steps use: a handler (`/exit`), a role (`authorizer`), a setting
    /// (`max-requests`).
    pub what: String,
    /// Why it is missing, in a sentence.
    pub reason: String,
}

/// An implementation as the agent needs it: programs are found, and the names known to the host are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct External {
    /// The implementation's name.
    pub name: String,
    /// See [`ImplementationProfile::kind`].
    pub kind: Kind,
    /// See [`ImplementationProfile::start`]. Only the names that the agent replaces are left.
    pub start: Vec<String>,
    /// See [`ImplementationProfile::start_inherited`].
    pub start_inherited: Option<Vec<String>>,
    /// See [`ReverseProxy::start`].
    pub reverse_proxy: Option<Vec<String>>,
    /// See [`ImplementationProfile::ready_said`].
    pub ready_said: Option<String>,
    /// See [`ImplementationProfile::environment`].
    pub environment: BTreeMap<String, String>,
    /// See [`ImplementationProfile::script_filename`].
    pub script_filename: Option<String>,
    /// The files for `@dir@`: name and text.
    pub files: BTreeMap<String, String>,
    /// See [`ImplementationProfile::controls`].
    pub controls: BTreeMap<String, Control>,
    /// See [`ImplementationProfile::offers`].
    pub offers: Vec<String>,
    /// See [`ImplementationProfile::lacks`].
    pub lacks: Vec<Lack>,
    /// Why it cannot be started and how to install it; `None` if it can.
    pub missing: Option<String>,
}

/// A profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImplementationProfileError {
    /// The text is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("not a profile")]
    Malformed(#[from] toml::de::Error),
    /// `families` has an unknown name.
    #[error("unknown family `{0}`, expected one of `port-reuse`, `keepalive`, `fastcgi`, `http`")]
    UnknownFamily(String),
    /// `start` names no program.
    #[error("`start` is empty")]
    NothingToStart,
}

impl ImplementationProfile {
    /// How to install what it needs, as the end of a message: `install gcc and libfcgi-dev`.
    pub fn installation(&self) -> String {
        let packages = || format!("install {}", self.packages.join(" and "));
        self.install.clone().unwrap_or_else(packages)
    }

    /// Reads `profile.toml`.
    ///
    /// # Errors
    /// When the text is not a valid profile. The message has line and column.
    pub fn parse(text: &str) -> Result<Self, ImplementationProfileError> {
        let profile: Self = toml::from_str(text)?;
        let known = |name: &String| Family::named(name).is_some();
        if let Some(unknown) = profile.families.iter().find(|name| !known(name)) {
            return Err(ImplementationProfileError::UnknownFamily(unknown.clone()));
        }
        if profile.start.is_empty() {
            return Err(ImplementationProfileError::NothingToStart);
        }
        Ok(profile)
    }

    /// Adds the `lacks`, `deviation` and `varies` of the profile that this one names as [`like`](Self::like). For a
    /// capability that both lack, this profile's reason stays.
    pub fn inherit(&mut self, other: &Self) {
        let own = |lack: &&Lack| self.lacks.iter().any(|each| each.what == lack.what);
        let more: Vec<_> = other.lacks.iter().filter(|lack| !own(lack)).cloned().collect();
        self.lacks.extend(more);
        self.deviation.extend(other.deviation.iter().cloned());
        self.varies.extend(other.varies.iter().cloned());
    }

    /// Whether [`Self::varies`] lists the scenario.
    pub fn varies_in(&self, scenario: &str) -> bool {
        self.varies.iter().any(|varies| varies.scenario == scenario)
    }

    /// Whether the scenario with this id can test it.
    pub fn is_for(&self, scenario: &str) -> bool {
        if scenario.starts_with(CLIENTS) {
            return self.reverse_proxy.is_some();
        }
        let family = scenario.split('/').next().unwrap_or_default();
        self.families.iter().any(|each| each == family)
    }
}

impl External {
    /// Why it lacks the capability that a step needs; `None` if it has it.
    pub fn lacks(&self, need: &str) -> Option<String> {
        if need == INHERITED {
            let reason = || format!("{}: its profile has no `start-inherited`", self.name);
            return self.start_inherited.is_none().then(reason);
        }
        if let Some(lack) = self.lacks.iter().find(|lack| lack.what == need) {
            return Some(format!("{}: {}", self.name, lack.reason));
        }
        let offered = self.offers.is_empty() || self.offers.iter().any(|offer| offer == need);
        (!offered).then(|| format!("{} does not offer `{need}`", self.name))
    }
}

/// Replaces every `@name@` in the text that has a value.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("@{name}@"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
title = "t"
families = ["fastcgi"]
kind = "server"
packages = ["it"]
start = ["@it@", "@port@"]
version = ["@it@", "-v"]
"#;

    #[test]
    fn a_profile_is_for_the_scenarios_of_its_families() {
        let profile = ImplementationProfile::parse(TEXT).unwrap();
        assert!(profile.is_for("fastcgi/ids/reuse"));
        assert!(!profile.is_for("http/close/token"));
    }

    #[test]
    fn an_unknown_key_or_family_is_refused() {
        let unknown = ImplementationProfile::parse(&format!("{TEXT}nonsense = 1\n")).unwrap_err();
        assert!(
            matches!(unknown, ImplementationProfileError::Malformed(error) if error.to_string().contains("nonsense"))
        );
        let family = ImplementationProfile::parse(&TEXT.replace("fastcgi", "scgi")).unwrap_err();
        assert_eq!(
            family.to_string(),
            "unknown family `scgi`, expected one of `port-reuse`, `keepalive`, `fastcgi`, `http`"
        );
    }

    #[test]
    fn an_inherited_lack_does_not_replace_the_profile_s_own_reason() {
        let lack =
            |what: &str, reason: &str| format!("[[lacks]]\nwhat = \"{what}\"\nreason = \"{reason}\"\n");
        let mut profile = ImplementationProfile::parse(&format!("{TEXT}{}", lack("unix", "mine"))).unwrap();
        let other = [TEXT, &lack("unix", "theirs"), &lack("roles", "theirs")].concat();
        profile.inherit(&ImplementationProfile::parse(&other).unwrap());
        let said = profile
            .lacks
            .iter()
            .map(|lack| format!("{}: {}", lack.what, lack.reason));
        assert_eq!(said.collect::<Vec<_>>(), ["unix: mine", "roles: theirs"]);
    }

    #[test]
    fn only_known_names_are_replaced() {
        let filled = fill("listen @port@; { $x @other@ }", &[("port", "4001")]);
        assert_eq!(filled, "listen 4001; { $x @other@ }");
    }
}
