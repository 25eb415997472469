//! Builds implementations: for this machine, and as one program for a guest.
//!
//! A build is cached under a name that contains a hash of its sources, so only changed sources are built again.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use reusespec_core::profile::{External, GuestBuild, fill};
use reusespec_platforms::cache::Cache;

use super::{ImplementationError, ProfiledImplementation};

/// Folders with server programs that the PATH of an ordinary user may lack.
const MORE_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Where a guest has the program under test.
pub const GUEST_PROGRAM: &str = "/tmp/exec/under-test";

impl ProfiledImplementation {
    /// Builds the adapter for a guest's target. Returns what the agent in the guest needs to start it, and the executable.
    ///
    /// # Errors
    /// When the sources or the executable cannot be read, or there is no cache folder. A failed build is not an error: its
    /// message becomes the reason why the cases are `unsupported`.
    pub fn for_guest(&self, target: &str) -> Result<(External, Vec<u8>), ImplementationError> {
        let mut external = External {
            name: self.name.clone(),
            kind: self.profile.kind,
            start: Vec::new(),
            start_inherited: None,
            reverse_proxy: None,
            ready_said: None,
            environment: BTreeMap::new(),
            script_filename: None,
            files: BTreeMap::new(),
            controls: BTreeMap::new(),
            offers: self.profile.offers.clone(),
            lacks: self.profile.lacks.clone(),
            missing: None,
        };
        let built = match (&self.profile.guest, self.missing()) {
            (None, _) => Built::Missing(format!(
                "{} runs only on the host: its profile has no `[guest]`",
                self.name
            )),
            (Some(_), Some(missing)) => Built::Missing(missing),
            (Some(guest), None) => self.built_for(guest, target)?,
        };
        match built {
            Built::Program(program) => {
                let arguments = self.profile.start.iter().skip(1).cloned();
                external.start = std::iter::once(GUEST_PROGRAM.to_owned())
                    .chain(arguments)
                    .collect();
                Ok((external, program))
            }
            Built::Missing(reason) => {
                external.missing = Some(reason);
                Ok((external, Vec::new()))
            }
        }
    }

    fn built_for(&self, guest: &GuestBuild, target: &str) -> Result<Built, ImplementationError> {
        let cache = self.cache(Some(target))?;
        let names = [
            ("target", target),
            ("goos", go_os(target)),
            ("goarch", go_architecture(target)),
        ];
        if let Err(reason) = self.build(&guest.build, &cache, &names) {
            return Ok(Built::Missing(reason));
        }
        let path = PathBuf::from(fill(&self.fill(&guest.program, &cache), &names));
        let program = fs::read(&path);
        program
            .map(Built::Program)
            .map_err(|source| ImplementationError::Unreadable { path, source })
    }

    /// The text with every `@name@` that the host knows replaced.
    pub(super) fn fill(&self, text: &str, cache: &Path) -> String {
        let all = self.folder.parent().unwrap_or(&self.folder);
        let programs = self.profile.programs.iter();
        let found: Vec<(&str, String)> = programs
            .filter_map(|(name, candidates)| {
                Some((name.as_str(), program(candidates)?.display().to_string()))
            })
            .chain([
                ("folder", self.sources.1.display().to_string()),
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

    /// Runs a command of the profile.
    pub(super) fn run(
        &self,
        words: &[String],
        cache: &Path,
        names: &[(&str, &str)],
    ) -> io::Result<std::process::Output> {
        let filled = |word: &String| fill(&self.fill(word, cache), names);
        let words: Vec<String> = words.iter().map(filled).collect();
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| io::Error::other("an empty command"))?;
        Command::new(program)
            .args(arguments)
            .current_dir(&self.sources.1)
            .stdin(std::process::Stdio::null())
            .output()
    }

    /// Runs the commands of a build unless `cache` exists. `names` are further names for `@name@`. Two runs at once build
    /// twice and keep one of the builds.
    pub(super) fn build(
        &self,
        commands: &[Vec<String>],
        cache: &Path,
        names: &[(&str, &str)],
    ) -> Result<(), String> {
        if commands.is_empty() || cache.is_dir() {
            return Ok(());
        }
        let failed = |error: io::Error| format!("building {} failed: {error}", self.name);
        let root = cache.parent().unwrap_or(cache);
        fs::create_dir_all(root).map_err(failed)?;
        // A server may run as another user, who must be able to read the build.
        let fresh = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(root)
            .map_err(failed)?;
        for words in commands {
            let output = self.run(words, fresh.path(), names).map_err(failed)?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                let first: String = text.lines().take(3).collect::<Vec<_>>().join(" ");
                return Err(format!(
                    "building {} failed: {first}; {}",
                    self.name,
                    self.profile.installation()
                ));
            }
        }
        // The rename fails if another run has finished the same build first. Then that build is used.
        if fs::rename(fresh.path(), cache).is_ok() {
            let _ = fresh.keep();
        }
        Ok(())
    }

    /// The folder of its build for a target; for this machine without one. Its name contains a hash of the sources and of
    /// the programs found.
    pub(super) fn cache(&self, target: Option<&str>) -> Result<PathBuf, ImplementationError> {
        let unreadable = |path: &Path, source| ImplementationError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut hasher = DefaultHasher::new();
        let (name, folder) = &self.sources;
        let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
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
        target.hash(&mut hasher);
        let root = Cache::from_environment()?;
        Ok(root.root().join(format!("{name}-{:016x}", hasher.finish())))
    }
}

/// The result of a build for a guest.
enum Built {
    /// The bytes of the program.
    Program(Vec<u8>),
    /// Why it cannot be built.
    Missing(String),
}

/// The value of GOOS for a Rust target.
fn go_os(target: &str) -> &str {
    ["freebsd", "dragonfly"]
        .into_iter()
        .find(|system| target.ends_with(system))
        .unwrap_or("linux")
}

/// The value of GOARCH for a Rust target.
fn go_architecture(target: &str) -> &str {
    match target.split('-').next().unwrap_or_default() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64gc" => "riscv64",
        same => same,
    }
}

/// The first of the programs that is found.
pub(super) fn program(candidates: &[String]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    let folders = std::env::join_paths(folders).ok()?;
    let mut found = candidates
        .iter()
        .map(|name| which::which_in(name, Some(&folders), "."));
    found.find_map(Result::ok)
}
