//! Implementations under test on disk: profiles read, programs found, what has to be built built once.
//!
//! What is built is kept in a cache named by what it is built from, so that a changed source is built anew and
//! an unchanged one never. Building happens here and not where cases run: it needs compilers, and time that is
//! no case's.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use reusespec_core::profile::{Control, External, ImplementationProfile, ProfileError, fill};

/// Folders where servers live that an ordinary user's PATH may not have.
const MORE_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// An implementation that has a profile.
#[derive(Clone, Debug)]
pub struct Implementation {
    /// The name of its folder.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What `profile.toml` says.
    pub profile: ImplementationProfile,
}

/// Why implementations cannot be used.
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
    /// A profile is wrong.
    #[error("{path}")]
    ImplementationProfile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ProfileError,
    },
    /// A profile is like one that there is not, or that is like a third itself.
    #[error("{path}: `like = \"{like}\"` names no implementation with a profile of its own")]
    Unlike {
        /// Which.
        path: PathBuf,
        /// What it names.
        like: String,
    },
}

/// Every implementation with a profile, by name. `scenarios` is the folder of scenarios.
///
/// # Errors
/// When a profile cannot be read or is wrong.
pub fn load(scenarios: &Path) -> Result<Vec<Implementation>, ImplementationError> {
    let root = scenarios.join("../harness/implementations");
    let Ok(entries) = fs::read_dir(&root) else {
        // The command works without the project's folders, too: there is only ours then.
        return Ok(Vec::new());
    };
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
        implementations.push(Implementation {
            name,
            folder,
            profile,
        });
    }
    inherit(&mut implementations)?;
    Ok(implementations)
}

/// Completes the profiles that name another one as `like`.
fn inherit(implementations: &mut [Implementation]) -> Result<(), ImplementationError> {
    let whole: Vec<_> = implementations
        .iter()
        .filter(|each| each.profile.like.is_none())
        .cloned()
        .collect();
    for each in implementations {
        let Some(like) = &each.profile.like else { continue };
        let Some(other) = whole.iter().find(|other| other.name == *like) else {
            let path = each.folder.join("profile.toml");
            let like = like.clone();
            return Err(ImplementationError::Unlike { path, like });
        };
        each.profile.inherit(&other.profile);
    }
    Ok(())
}

/// The implementation of this name, if it has a profile.
///
/// # Errors
/// When any profile cannot be read or is wrong: it may be the one that is meant.
pub fn find(scenarios: &Path, name: &str) -> Result<Option<Implementation>, ImplementationError> {
    let all = load(scenarios)?;
    Ok(all.into_iter().find(|each| each.name == name))
}

/// The profile of this name, if the implementation has one.
pub fn named<'p>(profiles: &'p [Implementation], name: &str) -> Option<&'p ImplementationProfile> {
    let found = profiles.iter().find(|each| each.name == name);
    found.map(|each| &each.profile)
}

impl Implementation {
    /// What the agent needs to start it; builds what has to be built.
    ///
    /// # Errors
    /// When one of its own files cannot be read. Something that is not installed is no error but the reason
    /// its cases are `unsupported`.
    pub fn external(&self) -> Result<External, ImplementationError> {
        let mut missing = self.missing();
        let cache = self.cache()?;
        if missing.is_none() {
            missing = self.build(&cache).err();
        }
        let fill = |text: &String| self.fill(text, &cache);
        let fill_all = |texts: &[String]| texts.iter().map(fill).collect::<Vec<_>>();
        let mut files = BTreeMap::new();
        let reverse_proxy = self.profile.reverse_proxy.as_ref();
        let front_file = reverse_proxy.map(|reverse_proxy| &reverse_proxy.file);
        for file in self.profile.files.iter().chain(front_file) {
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

    /// `php-fpm not found; install php-fpm`, unless everything it needs is there.
    pub fn missing(&self) -> Option<String> {
        let programs = self.profile.programs.iter();
        let missing: Vec<&str> = programs
            .filter(|(_, candidates)| program(candidates).is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        (!missing.is_empty()).then(|| format!("{} not found; {}", missing.join(", "), self.profile.install))
    }

    /// Its version as it says itself, or why that cannot be told.
    pub fn version(&self) -> Result<String, String> {
        if let Some(missing) = self.missing() {
            return Err(missing);
        }
        let cache = self.cache().map_err(|error| error.to_string())?;
        let output = self
            .run(&self.profile.version, &cache)
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
            .ok_or_else(|| "it does not say a version".to_owned())
    }

    /// Its version as snapshots name it: without what was built when and where.
    ///
    /// # Errors
    /// Why it cannot be told, as [`Implementation::version`] says it.
    pub fn release(&self) -> Result<String, String> {
        let version = self.version()?;
        let version = version.split(" (").next().unwrap_or_default().replace(',', "");
        Ok(version.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn fill(&self, text: &str, cache: &Path) -> String {
        let all = self.folder.parent().unwrap_or(&self.folder);
        let programs = self.profile.programs.iter();
        let found: Vec<(&str, String)> = programs
            .filter_map(|(name, candidates)| {
                Some((name.as_str(), program(candidates)?.display().to_string()))
            })
            .chain([
                ("folder", self.folder.display().to_string()),
                ("implementations", all.display().to_string()),
                ("cache", cache.display().to_string()),
            ])
            .collect();
        let values: Vec<_> = found
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        fill(text, &values)
    }

    fn run(&self, words: &[String], cache: &Path) -> io::Result<std::process::Output> {
        let words: Vec<String> = words.iter().map(|word| self.fill(word, cache)).collect();
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| io::Error::other("an empty command"))?;
        Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(std::process::Stdio::null())
            .output()
    }

    /// Runs the build's commands where that has not been done. Two runs at once build twice and keep one.
    fn build(&self, cache: &Path) -> Result<(), String> {
        if self.profile.build.is_empty() || cache.is_dir() {
            return Ok(());
        }
        let said = |error: io::Error| format!("building {} failed: {error}", self.name);
        let fresh = cache.with_extension(format!("new.{}", std::process::id()));
        fs::create_dir_all(&fresh).map_err(said)?;
        for words in &self.profile.build {
            let output = self.run(words, &fresh).map_err(said)?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                let first: String = text.lines().take(3).collect::<Vec<_>>().join(" ");
                let _ = fs::remove_dir_all(&fresh);
                return Err(format!(
                    "building {} failed: {first}; {}",
                    self.name, self.profile.install
                ));
            }
        }
        // Whoever was first has built the same.
        if fs::rename(&fresh, cache).is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        Ok(())
    }

    /// Where its build is kept: named by its sources and the programs found.
    fn cache(&self) -> Result<PathBuf, ImplementationError> {
        let unreadable = |path: &Path, source| ImplementationError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut hasher = DefaultHasher::new();
        let entries = fs::read_dir(&self.folder).map_err(|source| unreadable(&self.folder, source))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            file.file_name().hash(&mut hasher);
            fs::read(file)
                .map_err(|source| unreadable(file, source))?
                .hash(&mut hasher);
        }
        for candidates in self.profile.programs.values() {
            program(candidates).hash(&mut hasher);
        }
        Ok(cache_root().join(format!("{}-{:016x}", self.name, hasher.finish())))
    }
}

/// `$XDG_CACHE_HOME/reusespec`, `~/.cache/reusespec`, or a folder for temporary files.
fn cache_root() -> PathBuf {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("reusespec")
}

/// The first of the programs that exists.
fn program(candidates: &[String]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(MORE_FOLDERS.iter().map(PathBuf::from))
        .collect();
    candidates.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_profile_is_an_error_that_names_its_file_whoever_is_looked_for() {
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
}
