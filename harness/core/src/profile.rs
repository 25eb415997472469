//! The profile of an implementation under test: how it starts, what it cannot do, where it is known to differ.
//!
//! A profile is `profile.toml` in a folder of its own below `harness/implementations`; the folder's name is the
//! implementation's. Paths and ports are written `@name@`, because the files of servers are full of braces and
//! dollar signs:
//!
//! | name | stands for |
//! |---|---|
//! | `@folder@` | the implementation's folder |
//! | `@implementations@` | the folder of all implementations, for what two of them share |
//! | `@cache@` | where `build` leaves what it builds, kept between runs |
//! | `@php-fpm@` | the program found under this name in `programs` |
//! | `@dir@` | a directory of the case's own, removed with it |
//! | `@address@`, `@port@`, `@socket@` | where to listen: `127.0.0.1:4001`, `4001`, `@dir@/socket` |
//!
//! The first four are known before a run, the rest where the case runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deviation::Deviation;
use crate::family::Family;

/// What a step needs that leaves a listener in descriptor 0 of the program it starts.
pub const INHERITED: &str = "inherited";

/// What `profile.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImplementationProfile {
    /// What it is, in one sentence.
    pub title: String,
    /// The families it can be tested in, by the names of their folders. A web server in front of a FastCGI application
    /// has [`Self::reverse_proxy`] instead of `fastcgi` here.
    pub families: Vec<String>,
    /// Whether it speaks the adapters' protocol.
    pub kind: Kind,
    /// Programs it needs: a name for `@name@`, and the commands of which the first that exists is taken.
    #[serde(default)]
    pub programs: BTreeMap<String, Vec<String>>,
    /// How to get what is missing: `install php-fpm`.
    pub install: String,
    /// An implementation that this one is as, by the name of its folder: what that one lacks, how it varies and where it
    /// deviates holds for this one, too, and so do its tables where this one has none of its own.
    #[serde(default)]
    pub like: Option<String>,
    /// Commands that make what is started, run once in `@folder@`; one that fails means that something is
    /// missing.
    #[serde(default)]
    pub build: Vec<Vec<String>>,
    /// The program and its arguments.
    pub start: Vec<String>,
    /// The same where its descriptor 0 is the socket to listen on (FastCGI 1.0 §2.2); it then speaks no adapters'
    /// protocol.
    #[serde(default)]
    pub start_inherited: Option<Vec<String>>,
    /// What a server writes to standard error when it can be used, where it can be connected to before. Not for
    /// [`Self::reverse_proxy`].
    #[serde(default)]
    pub ready_said: Option<String>,
    /// Environment variables it gets.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// SCRIPT_FILENAME of every FastCGI request, for applications that are started per script.
    #[serde(default)]
    pub script_filename: Option<String>,
    /// Files of the folder that are written into `@dir@` with their names replaced.
    #[serde(default)]
    pub files: Vec<String>,
    /// What it can be told while it runs, and how.
    #[serde(default)]
    pub controls: BTreeMap<String, Control>,
    /// How it is started as a web server in front of a FastCGI application.
    #[serde(default)]
    pub reverse_proxy: Option<ReverseProxy>,
    /// Prints its version; the first line that has a digit counts.
    pub version: Vec<String>,
    /// What scenarios may need and it has; empty means all that is not lacking.
    #[serde(default)]
    pub offers: Vec<String>,
    /// What scenarios may need and it has not.
    #[serde(default)]
    pub lacks: Vec<Lack>,
    /// Where it is known not to do what a claim says.
    #[serde(default)]
    pub deviation: Vec<Deviation>,
    /// Where what it does is a race of its own, so that rows are not compared with a snapshot. Claims are judged all
    /// the same.
    #[serde(default)]
    pub varies: Vec<Varies>,
}

/// A web server's configuration for passing every request on to `@upstream@`. `@keep-conn@` is `on` or `off`,
/// `@no-keep-conn@` is empty or `no `.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReverseProxy {
    /// The program and its arguments.
    pub start: Vec<String>,
    /// Its configuration, a file of the folder.
    pub file: String,
}

/// How a server is told something while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Control {
    /// Values with which its files are written anew first, in place of the case's; without any the case's own again.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The command that tells it.
    pub run: Vec<String>,
    /// What it writes to standard error when it has done as it was told, where the command does not wait for that.
    #[serde(default)]
    pub until_said: Option<String>,
}

/// The scenarios of web servers in front of an application.
const CLIENTS: &str = "fastcgi/clients/";

/// A scenario in which an implementation does now this, now that.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Varies {
    /// Id of the scenario.
    pub scenario: String,
    /// What races with what, in a sentence.
    pub reason: String,
}

/// How an implementation is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A program that speaks [`crate::adapter`]'s lines on its standard streams.
    Adapter,
    /// A program that listens where its arguments or files say; ready when it can be connected to.
    Server,
}

/// Something an implementation has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lack {
    /// What steps may need: a handler (`/exit`), a role (`authorizer`), a setting (`max-requests`).
    pub what: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// What the agent has to know to start an implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct External {
    /// Its name.
    pub name: String,
    /// How it is talked to.
    pub kind: Kind,
    /// The program and its arguments; only names of the case are left in them.
    pub start: Vec<String>,
    /// See [`ImplementationProfile::start_inherited`].
    pub start_inherited: Option<Vec<String>>,
    /// The same for a web server in front of an application.
    pub reverse_proxy: Option<Vec<String>>,
    /// See [`ImplementationProfile::ready_said`].
    pub ready_said: Option<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// See [`ImplementationProfile::script_filename`].
    pub script_filename: Option<String>,
    /// Names and texts of the files to write into `@dir@`.
    pub files: BTreeMap<String, String>,
    /// What it can be told while it runs, and how.
    pub controls: BTreeMap<String, Control>,
    /// See [`ImplementationProfile::offers`].
    pub offers: Vec<String>,
    /// See [`ImplementationProfile::lacks`].
    pub lacks: Vec<Lack>,
    /// Why it cannot be started at all, and how to get it.
    pub missing: Option<String>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not a profile.
    #[error("not a profile")]
    Malformed(#[from] toml::de::Error),
    /// A family nobody has.
    #[error("unknown family `{0}`, expected one of `port-reuse`, `keepalive`, `fastcgi`, `http`")]
    UnknownFamily(String),
    /// There is nothing to start.
    #[error("`start` is empty")]
    NothingToStart,
}

impl ImplementationProfile {
    /// Reads `profile.toml`.
    ///
    /// # Errors
    /// When the text is no profile; the message has line and column.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)?;
        let known = |name: &String| Family::named(name).is_some();
        if let Some(unknown) = profile.families.iter().find(|name| !known(name)) {
            return Err(ProfileError::UnknownFamily(unknown.clone()));
        }
        if profile.start.is_empty() {
            return Err(ProfileError::NothingToStart);
        }
        Ok(profile)
    }

    /// Takes over what is said of the implementation that this one is [`like`](Self::like). What this one says of
    /// something it lacks stands.
    pub fn take_over(&mut self, other: &Self) {
        let own = |lack: &&Lack| self.lacks.iter().any(|each| each.what == lack.what);
        let more: Vec<_> = other.lacks.iter().filter(|lack| !own(lack)).cloned().collect();
        self.lacks.extend(more);
        self.deviation.extend(other.deviation.iter().cloned());
        self.varies.extend(other.varies.iter().cloned());
    }

    /// Whether its rows in this scenario are the outcome of a race.
    pub fn varies_in(&self, scenario: &str) -> bool {
        self.varies.iter().any(|varies| varies.scenario == scenario)
    }

    /// Whether a scenario of this id can be asked of it.
    pub fn is_for(&self, scenario: &str) -> bool {
        if scenario.starts_with(CLIENTS) {
            return self.reverse_proxy.is_some();
        }
        let family = scenario.split('/').next().unwrap_or_default();
        self.families.iter().any(|each| each == family)
    }
}

impl External {
    /// Why it does not have what a step needs, if it has not.
    pub fn lacks(&self, need: &str) -> Option<String> {
        if need == INHERITED {
            let told = || format!("{}: it is not started with a listener in descriptor 0", self.name);
            return self.start_inherited.is_none().then(told);
        }
        if let Some(lack) = self.lacks.iter().find(|lack| lack.what == need) {
            return Some(format!("{}: {}", self.name, lack.reason));
        }
        let offered = self.offers.is_empty() || self.offers.iter().any(|offer| offer == need);
        (!offered).then(|| format!("{} does not offer `{need}`", self.name))
    }
}

/// The text with every `@name@` that has a value replaced.
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
install = "install it"
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
        assert!(matches!(unknown, ProfileError::Malformed(error) if error.to_string().contains("nonsense")));
        let family = ImplementationProfile::parse(&TEXT.replace("fastcgi", "scgi")).unwrap_err();
        assert_eq!(
            family.to_string(),
            "unknown family `scgi`, expected one of `port-reuse`, `keepalive`, `fastcgi`, `http`"
        );
    }

    #[test]
    fn what_is_like_another_takes_its_lacks_but_for_its_own_words() {
        let lack =
            |what: &str, reason: &str| format!("[[lacks]]\nwhat = \"{what}\"\nreason = \"{reason}\"\n");
        let mut profile = ImplementationProfile::parse(&format!("{TEXT}{}", lack("unix", "mine"))).unwrap();
        let other = [TEXT, &lack("unix", "theirs"), &lack("roles", "theirs")].concat();
        profile.take_over(&ImplementationProfile::parse(&other).unwrap());
        let said = profile
            .lacks
            .iter()
            .map(|lack| format!("{}: {}", lack.what, lack.reason));
        assert_eq!(said.collect::<Vec<_>>(), ["unix: mine", "roles: theirs"]);
    }

    #[test]
    fn only_known_names_are_filled_in() {
        let filled = fill("listen @port@; { $x @other@ }", &[("port", "4001")]);
        assert_eq!(filled, "listen 4001; { $x @other@ }");
    }
}
