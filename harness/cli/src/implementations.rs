//! The implementations under test: reads their profiles and finds their programs. `build` builds their adapters.
//!
//! Builds run on the host before any case: they need compilers, and their time must not count against a case's budget.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reusespec_core::profile::{Control, External, ImplementationProfile, ImplementationProfileError};
use reusespec_platforms::cache::CacheError;

mod build;

pub use build::GUEST_PROGRAM;
use build::program;

/// An implementation that has a profile.
#[derive(Clone, Debug)]
pub struct ProfiledImplementation {
    /// The name of its folder.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The content of `profile.toml`.
    pub profile: ImplementationProfile,
    /// The name and folder of the implementation whose sources are built; its own unless it has `build-of`.
    sources: (String, PathBuf),
}

/// Reasons why implementations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImplementationError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A profile has a mistake.
    #[error("{path}")]
    ImplementationProfile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ImplementationProfileError,
    },
    /// The profile that `like` names does not exist, or has a `like` itself.
    #[error("{path}: `like = \"{like}\"` names no implementation with a profile of its own")]
    Unlike {
        /// Which.
        path: PathBuf,
        /// What it names.
        like: String,
    },
    /// The profile that `build-of` names does not exist, or has a `build-of` itself.
    #[error("{path}: `build-of = \"{build_of}\"` names no implementation with a build of its own")]
    NoBuild {
        /// Which.
        path: PathBuf,
        /// What it names.
        build_of: String,
    },
    /// There is no cache folder for builds.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The folder of `--implementations`, set once when the program starts: every command that reads a profile needs it.
static NAMED_FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// The implementations of the checkout from which this program was built.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../implementations");

/// Makes `folder` the only place where profiles are looked for. Later calls have no effect.
pub fn use_folder(folder: &Path) {
    NAMED_FOLDER.get_or_init(|| folder.to_owned());
}

/// The folder with the profiles: the named one; else the one beside the scenarios; else that of the checkout from which
/// this program was built.
///
/// # Errors
/// A note for the user, if no such folder exists. The kernel and the reference can be tested without it.
pub fn find_folder(scenarios: &Path) -> Result<PathBuf, String> {
    match NAMED_FOLDER.get() {
        Some(folder) => Ok(folder.clone()),
        None => first_folder([scenarios.join("../harness/implementations"), BUILT_FROM.into()]),
    }
}

fn first_folder(candidates: [PathBuf; 2]) -> Result<PathBuf, String> {
    let found = candidates.iter().find(|folder| folder.is_dir()).cloned();
    found.ok_or_else(|| {
        format!(
            "no implementations are known: neither {} nor {} exists; name their folder with --implementations",
            candidates[0].display(),
            candidates[1].display()
        )
    })
}

/// Every implementation with a profile, ordered by name; none if [`find_folder`] finds no folder.
///
/// # Errors
/// A profile cannot be read or has a mistake.
pub fn load(scenarios: &Path) -> Result<Vec<ProfiledImplementation>, ImplementationError> {
    let Ok(root) = find_folder(scenarios) else {
        return Ok(Vec::new());
    };
    let entries =
        fs::read_dir(&root).map_err(|source| ImplementationError::Unreadable { path: root, source })?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut implementations = Vec::new();
    for folder in folders {
        let path = folder.join("profile.toml");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|source| ImplementationError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let profile = ImplementationProfile::parse(&text)
            .map_err(|source| ImplementationError::ImplementationProfile { path, source })?;
        let folder = fs::canonicalize(&folder).unwrap_or(folder);
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        implementations.push(ProfiledImplementation {
            sources: (name.clone(), folder.clone()),
            name,
            folder,
            profile,
        });
    }
    inherit(&mut implementations)?;
    share_builds(&mut implementations)?;
    Ok(implementations)
}

/// Completes each profile that has `like` with the values of the profile it names.
fn inherit(implementations: &mut [ProfiledImplementation]) -> Result<(), ImplementationError> {
    let complete: Vec<_> = implementations
        .iter()
        .filter(|each| each.profile.like.is_none())
        .cloned()
        .collect();
    for each in implementations {
        let Some(like) = &each.profile.like else { continue };
        let Some(other) = complete.iter().find(|other| other.name == *like) else {
            let path = each.folder.join("profile.toml");
            let like = like.clone();
            return Err(ImplementationError::Unlike { path, like });
        };
        each.profile.inherit(&other.profile);
    }
    Ok(())
}

/// Completes each profile that has `build-of` with the build of the profile it names.
fn share_builds(implementations: &mut [ProfiledImplementation]) -> Result<(), ImplementationError> {
    let builders: Vec<_> = implementations
        .iter()
        .filter(|each| each.profile.build_of.is_none())
        .cloned()
        .collect();
    for each in implementations {
        let Some(build_of) = &each.profile.build_of else {
            continue;
        };
        let Some(builder) = builders.iter().find(|builder| builder.name == *build_of) else {
            let path = each.folder.join("profile.toml");
            let build_of = build_of.clone();
            return Err(ImplementationError::NoBuild { path, build_of });
        };
        each.sources = builder.sources.clone();
        each.profile.build.clone_from(&builder.profile.build);
        each.profile.guest.clone_from(&builder.profile.guest);
        each.profile.programs.clone_from(&builder.profile.programs);
    }
    Ok(())
}

/// The implementation of this name, if it has a profile.
///
/// # Errors
/// Any profile cannot be read or has a mistake.
pub fn find(scenarios: &Path, name: &str) -> Result<Option<ProfiledImplementation>, ImplementationError> {
    let all = load(scenarios)?;
    Ok(all.into_iter().find(|each| each.name == name))
}

/// The profile of this name, if the implementation has one.
pub fn named<'p>(profiles: &'p [ProfiledImplementation], name: &str) -> Option<&'p ImplementationProfile> {
    let found = profiles.iter().find(|each| each.name == name);
    found.map(|each| &each.profile)
}

impl ProfiledImplementation {
    /// What the agent needs to start it. Builds it first if its profile has `build`.
    ///
    /// # Errors
    /// One of its files cannot be read, or there is no cache folder. A missing program is no error: it is the reason why
    /// its cases are `unsupported`.
    pub fn external(&self) -> Result<External, ImplementationError> {
        let mut missing = self.missing();
        let cache = self.cache(None)?;
        if missing.is_none() {
            missing = self.build(&self.profile.build, &cache, &[]).err();
        }
        let fill = |text: &String| self.fill(text, &cache);
        let fill_all = |texts: &[String]| texts.iter().map(fill).collect::<Vec<_>>();
        let mut files = BTreeMap::new();
        let reverse_proxy = self.profile.reverse_proxy.as_ref();
        let proxy_file = reverse_proxy.map(|reverse_proxy| &reverse_proxy.file);
        for file in self.profile.files.iter().chain(proxy_file) {
            let path = self.folder.join(file);
            let text = fs::read_to_string(&path)
                .map_err(|source| ImplementationError::Unreadable { path, source })?;
            files.insert(file.clone(), fill(&text));
        }
        let environment = self.profile.environment.iter();
        let controls = self.profile.controls.iter().map(|(name, control)| {
            let run = fill_all(&control.run);
            let filled = Control {
                run,
                ..control.clone()
            };
            (name.clone(), filled)
        });
        Ok(External {
            name: self.name.clone(),
            kind: self.profile.kind,
            start: fill_all(&self.profile.start),
            start_inherited: self.profile.start_inherited.as_deref().map(fill_all),
            reverse_proxy: reverse_proxy.map(|reverse_proxy| fill_all(&reverse_proxy.start)),
            ready_said: self.profile.ready_said.clone(),
            environment: environment
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            script_filename: self.profile.script_filename.as_ref().map(fill),
            files,
            controls: controls.collect(),
            offers: self.profile.offers.clone(),
            lacks: self.profile.lacks.clone(),
            missing,
        })
    }

    /// Which programs are missing and how to install them, such as `php-fpm not found; install php-fpm`; `None` if all
    /// are found.
    pub fn missing(&self) -> Option<String> {
        let programs = self.profile.programs.iter();
        let missing: Vec<&str> = programs
            .filter(|(_, candidates)| program(candidates).is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        (!missing.is_empty()).then(|| {
            format!(
                "{} not found; {}",
                missing.join(", "),
                self.profile.installation()
            )
        })
    }

    /// The first line with a digit that its version command prints.
    ///
    /// # Errors
    /// Why there is no such line: a program is missing, or the command failed.
    pub fn version(&self) -> Result<String, String> {
        if let Some(missing) = self.missing() {
            return Err(missing);
        }
        let cache = self.cache(None).map_err(|error| error.to_string())?;
        let output = self
            .run(&self.profile.version, &cache, &[])
            .map_err(|error| error.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if !output.status.success() {
            let words = self.profile.version.join(" ");
            return Err(format!("`{words}` ended with {}: {}", output.status, text.trim()));
        }
        let line = text
            .lines()
            .find(|line| line.contains(|digit: char| digit.is_ascii_digit()));
        line.map(|line| line.trim().to_owned())
            .ok_or_else(|| "its version command prints no version".to_owned())
    }

    /// Its version as snapshots name it: without build date and place, which follow in parentheses.
    ///
    /// # Errors
    /// Those of [`ProfiledImplementation::version`].
    pub fn release(&self) -> Result<String, String> {
        let version = self.version()?;
        let version = version.split(" (").next().unwrap_or_default().replace(',', "");
        Ok(version.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_about_a_wrong_profile_names_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("harness/implementations/broken");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(directory.path().join("scenarios")).unwrap();
        fs::write(folder.join("profile.toml"), "kind = ").unwrap();
        for name in ["broken", "kernel"] {
            let error = find(&directory.path().join("scenarios"), name).unwrap_err();
            assert!(error.to_string().ends_with("broken/profile.toml"), "{error}");
        }
    }

    #[test]
    fn the_note_about_missing_profiles_names_both_folders_and_the_option() {
        let directory = tempfile::tempdir().unwrap();
        let candidates = ["beside", "built"].map(|name| directory.path().join(name));
        let note = first_folder(candidates.clone()).unwrap_err();
        for part in ["/beside", "/built exists", "--implementations"] {
            assert!(note.contains(part), "{note}");
        }
        fs::create_dir(&candidates[1]).unwrap();
        assert_eq!(first_folder(candidates.clone()).as_ref(), Ok(&candidates[1]));
        fs::create_dir(&candidates[0]).unwrap();
        assert_eq!(first_folder(candidates.clone()).as_ref(), Ok(&candidates[0]));
    }
}
