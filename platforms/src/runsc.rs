//! Starts agents in gVisor: a kernel in user space, whose program is called `runsc`.
//!
//! ```toml
//! [boot.runsc]
//! target = "x86_64-unknown-linux-musl"
//! debian = { suite = "trixie", package = "runsc", architecture = "amd64" }
//! ```
//! This is a boot method of its own and not a `[boot.command]`, because a command in a file cannot name what is known
//! only here: the program in the cache, the agent for the machine, a folder for each sandbox, and the release of gVisor,
//! which no program inside a sandbox can find out. The sandbox also belongs to the run, so `exec` may place files in it.
//!
//! The package is unpacked into the cache, as kernels are, and never installed. An installed `runsc` is not used:
//! results must not depend on what the machine has. `--kernel FILE` uses another one.
//!
//! Neither root nor KVM is needed (`--rootless`, and gVisor's default platform). The sandbox's root file system has
//! nothing but the agent. It has the loopback interface only.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::agents::{self, NoAgent};
use crate::cache::{Cache, CacheError, intact};
use crate::command::AgentCommand;
use crate::kernel::{AptError, Progress, Watch, unpack_debian};
use crate::link::{AgentHandle, Link, StartError};
use crate::process;

/// The path of the program in the package.
const IN_PACKAGE: &str = "usr/bin/runsc";
/// The folder of unpacked programs in the cache.
const TOOLS: &str = "runsc";
/// What a case may need of root's capabilities: capabilities(7). Without a list the agent would have none.
const CAPABILITIES: [&str; 10] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
];

/// A gVisor as a profile describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Runsc {
    /// The Rust target of the agent.
    pub target: String,
    /// The source of the program.
    pub debian: DebianPackage,
    /// A local file to use instead, from `--kernel`; not in the file.
    #[serde(skip)]
    pub program: Option<PathBuf>,
}

/// A Debian package, downloaded with this machine's apt.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPackage {
    /// Debian's release: `trixie`.
    pub suite: String,
    /// The package.
    pub package: String,
    /// Debian's name of the architecture: `amd64`.
    pub architecture: String,
}

/// A program that can be started, and its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// The release, without the words around it: `20240729.0`.
    pub release: String,
    /// Its origin, for messages: `runsc 0.0~20240729.0-4+b7`.
    pub origin: String,
}

/// The cache's record of an unpacked program.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    origin: String,
    content: crate::cache::Blob,
}

/// Why a sandbox cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RunscError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The package cannot be used.
    #[error("cannot get {package} of Debian {suite}")]
    Apt {
        /// The package.
        package: String,
        /// Debian's release.
        suite: String,
        /// What failed, and what to do.
        source: AptError,
    },
    /// No executable of the agent was found.
    #[error(transparent)]
    Agent(#[from] NoAgent),
    /// A file cannot be read or written.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The program does not say which release it is.
    #[error("{} --version does not print a release of gVisor: {output}", .path.display())]
    NoRelease {
        /// The program.
        path: PathBuf,
        /// What it printed.
        output: String,
    },
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> RunscError {
    let path = path.to_owned();
    move |source| RunscError::File { path, source }
}

impl Runsc {
    /// The program, if it is a local file or in the cache undamaged. Nothing is downloaded.
    ///
    /// # Errors
    /// When the file cannot be executed.
    pub fn cached(&self, cache: &Cache) -> Result<Option<Program>, RunscError> {
        if let Some(path) = &self.program {
            return Program::at(path, &path.display().to_string()).map(Some);
        }
        let Some((manifest, path)) = self.manifest(cache) else {
            return Ok(None);
        };
        Program::at(&path, &manifest.origin).map(Some)
    }

    fn manifest(&self, cache: &Cache) -> Option<(Manifest, PathBuf)> {
        let text = fs::read(cache.root().join(self.place("json"))).ok()?;
        let manifest: Manifest = serde_json::from_slice(&text).ok()?;
        let path = cache.root().join(self.place("bin"));
        intact(&path, &manifest.content).then_some((manifest, path))
    }

    /// The path of one of its files in the cache.
    fn place(&self, ending: &str) -> PathBuf {
        let DebianPackage {
            suite,
            package,
            architecture,
        } = &self.debian;
        Path::new(TOOLS).join(format!("{suite}-{package}-{architecture}.{ending}"))
    }

    /// The program, from the cache or else from the package.
    ///
    /// # Errors
    /// When the package cannot be had, or the program does not run.
    pub fn fetch(&self, cache: &Cache, watch: Watch<'_>) -> Result<Program, RunscError> {
        if let Some(program) = self.cached(cache)? {
            return Ok(program);
        }
        let _held = cache.lock(&self.place("lock").to_string_lossy().replace('/', "-"))?;
        let DebianPackage {
            suite,
            package,
            architecture,
        } = &self.debian;
        let scratch = cache.scratch()?;
        let root = cache.folder(format!("apt/{suite}-{architecture}-{package}"))?;
        let version = unpack_debian(suite, package, architecture, &root, scratch.path(), watch);
        let version = version.map_err(|source| RunscError::Apt {
            package: package.clone(),
            suite: suite.clone(),
            source,
        })?;
        let unpacked = scratch.path().join(IN_PACKAGE);
        let content = fs::read(&unpacked).map_err(unusable(&unpacked))?;
        let path = cache.write(self.place("bin"), &content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(unusable(&path))?;
        let manifest = Manifest {
            origin: format!("{package} {version}"),
            content: crate::cache::Blob::of(&content),
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        cache.write(self.place("json"), &text)?;
        Program::at(&path, &manifest.origin)
    }

    /// Starts a sandbox with an agent on its standard streams.
    pub(crate) fn start(&self, notify: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        let agent = agents::find(&self.target)?;
        let cache = Cache::from_environment()?;
        let mut last = String::new();
        let program = self.fetch(&cache, &mut |progress: Progress<'_>| {
            let text = progress.to_string();
            if text != last {
                last.clone_from(&text);
                notify(text);
            }
        })?;
        let folder = cache.scratch()?;
        let bundle = folder.path();
        write_bundle(bundle, &agent, &program.release)?;
        // Each sandbox has its own folder of states, so this name is in use once.
        let name = "agent";
        let state = bundle.join("state");
        let mut words: Vec<_> = ["--rootless", "--network=none", "--ignore-cgroups"]
            .map(std::ffi::OsString::from)
            .to_vec();
        words.push(option("--root=", &state));
        words.push("run".into());
        words.push(option("--bundle=", bundle));
        words.push(name.into());
        let mut link = AgentCommand::new(program.path, words).start()?;
        let handle = std::mem::replace(&mut link.handle, Box::new(Nobody));
        link.handle = Box::new(Sandbox {
            handle,
            _folder: folder,
        });
        Ok(link)
    }
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(name);
    word.push(path);
    word
}

impl Program {
    fn at(path: &Path, origin: &str) -> Result<Self, RunscError> {
        let mut command = Command::new(path);
        command.arg("--version");
        let output = process::output(command).map_err(unusable(path))?;
        let release = release(&output.stdout).ok_or_else(|| RunscError::NoRelease {
            path: path.to_owned(),
            output: format!("{}{}", output.stdout, output.stderr).trim().to_owned(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            release,
            origin: origin.to_owned(),
        })
    }
}

/// The release in the output of `runsc --version`. Debian's package prints `runsc version 0.0~20240729.0`, gVisor's own
/// binary `runsc version release-20240729.0`.
fn release(output: &str) -> Option<String> {
    let version = output
        .lines()
        .find_map(|line| line.strip_prefix("runsc version "))?;
    let (_, release) = version.split_once(['~', '-'])?;
    let is_release = release.starts_with(|first: char| first.is_ascii_digit());
    is_release.then(|| release.trim().to_owned())
}

/// Writes an OCI bundle (opencontainers/runtime-spec, config.md) whose first process is the agent.
fn write_bundle(bundle: &Path, agent: &Path, release: &str) -> Result<(), RunscError> {
    let root = bundle.join("rootfs");
    for folder in ["dev", "proc", "sys", "tmp"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(unusable(&folder))?;
    }
    let inside = root.join("agent");
    fs::copy(agent, &inside).map_err(unusable(agent))?;
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755)).map_err(unusable(&inside))?;
    let namespaces =
        ["pid", "network", "ipc", "uts", "mount"].map(|kind| serde_json::json!({ "type": kind }));
    let config = serde_json::json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["/agent"],
            "env": ["REUSESPEC_CHANNEL=stdio", format!("REUSESPEC_SYSTEM=gvisor {release}")],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "permitted": CAPABILITIES,
            },
        },
        "root": { "path": "rootfs" },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"] },
        ],
        "linux": { "namespaces": namespaces },
    });
    let path = bundle.join("config.json");
    fs::write(&path, config.to_string()).map_err(unusable(&path))
}

/// Stands for a handle that has moved.
struct Nobody;

impl AgentHandle for Nobody {
    fn diagnostics(&mut self) -> String {
        String::new()
    }
}

/// A running sandbox. The fields are dropped in this order: the folder is removed after its user has been killed.
struct Sandbox {
    handle: Box<dyn AgentHandle>,
    _folder: TempDir,
}

impl AgentHandle for Sandbox {
    fn diagnostics(&mut self) -> String {
        self.handle.diagnostics()
    }
}

/// Checks that a sandbox can be started without downloading or building anything.
///
/// # Errors
/// The first thing that is missing, and how to get it.
pub fn check_available(name: &str, runsc: &Runsc) -> Result<Program, StartError> {
    agents::find(&runsc.target)?;
    let cached = runsc.cached(&Cache::from_environment()?)?;
    cached.ok_or_else(|| {
        let DebianPackage { suite, package, .. } = &runsc.debian;
        format!("run `reusespec fetch {name}` to download package {package} of Debian {suite}, with apt")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_both_forms_of_the_version() {
        for text in [
            "runsc version 0.0~20240729.0\nspec: 1.1.0-rc.1\n",
            "runsc version release-20240729.0\nspec: 1.1.0-rc.1\n",
        ] {
            assert_eq!(release(text).as_deref(), Some("20240729.0"));
        }
        assert_eq!(release("runsc version VERSION_MISSING\n"), None);
        assert_eq!(release("runc version 1.1.5\n"), None);
    }

    #[test]
    fn a_damaged_program_counts_as_missing() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let runsc = Runsc {
            target: "x86_64-unknown-linux-musl".to_owned(),
            debian: DebianPackage {
                suite: "trixie".to_owned(),
                package: "runsc".to_owned(),
                architecture: "amd64".to_owned(),
            },
            program: None,
        };
        let script = b"#!/bin/sh\necho runsc version release-20240729.0\n";
        let path = cache.write(runsc.place("bin"), script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let manifest = Manifest {
            origin: "runsc 1".to_owned(),
            content: crate::cache::Blob::of(script),
        };
        let text = serde_json::to_vec(&manifest).unwrap();
        cache.write(runsc.place("json"), &text).unwrap();
        let program = runsc.cached(&cache).unwrap().unwrap();
        assert_eq!(
            (program.release.as_str(), program.origin.as_str()),
            ("20240729.0", "runsc 1")
        );
        fs::write(&path, &script[1..]).unwrap();
        assert_eq!(runsc.cached(&cache).unwrap(), None);
    }
}
