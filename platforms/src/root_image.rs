//! The root file system of a guest without an initramfs: the agent, what the run-time linker needs to load it, and two
//! empty folders, as an ISO 9660 image. And what brings the agent to a system that has a root file system of its own.
//!
//! | module | owns |
//! |---|---|
//! | [`iso9660`] | the image's bytes |
//! | [`closure`] | which libraries of a tree a program needs |
//! | [`agent_medium`] | the disk or CD with an agent for a whole system |
//!
//! A BSD kernel mounts a CD without any program's help, and a CD needs no program to be made. There is no shell, no rc
//! and no login in it: nothing that could differ from one release to the next but libc itself. `/dev` must be there
//! because the kernel mounts devfs on it before it starts the first process; `/tmp` becomes a tmpfs.

mod agent_medium;
pub mod closure;
mod iso9660;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use agent_medium::LOGIN_LINE;
pub use agent_medium::agent_medium;
use closure::{Closure, ClosureError};
use iso9660::Folder;

/// Where the agent is; the kernel's command line says it as `init_path`.
pub const AGENT: &str = "/agent";

/// Where the guest finds its input when it has no host to talk to.
pub const INPUT: &str = "/input";

/// What a Rust program for FreeBSD may be linked against besides, so that `exec` can run any test binary: the list of
/// libraries in the compiler's own link attributes.
const OF_RUST: [&str; 9] = [
    "libdevstat",
    "libexecinfo",
    "libgcc_s",
    "libkvm",
    "libm",
    "libmemstat",
    "libprocstat",
    "librt",
    "libutil",
];

/// Why there is no root image.
#[derive(Debug, thiserror::Error)]
pub enum RootImageError {
    /// A file of the tree, or the agent.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What the agent needs is not in the tree.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

/// The image's bytes: the same agent and tree give the same bytes.
///
/// `tree` is an unpacked system: a FreeBSD `base.txz`, or `/` of a running one. `input` is what the agent reads as
/// `/input` instead of the channel.
///
/// # Errors
/// When a file cannot be read or a library is not in the tree.
pub fn build(agent: &Path, tree: &Path, input: Option<&[u8]>) -> Result<Vec<u8>, RootImageError> {
    let content = read(agent)?;
    let mut closure = Closure::of(tree);
    closure.add("the agent", &content)?;
    closure.add_if_present(&OF_RUST)?;
    let mut root = Folder::default();
    root.folder("dev", 0o755);
    root.folder("tmp", 0o1777);
    // Linux has two more.
    root.folder("proc", 0o755);
    root.folder("sys", 0o755);
    root.file(AGENT, 0o755, content);
    for (place, library) in closure.into_files() {
        root.file(&place, 0o555, library);
    }
    if let Some(input) = input {
        root.file(INPUT, 0o444, input.to_vec());
    }
    Ok(iso9660::image(&root))
}

fn read(agent: &Path) -> Result<Vec<u8>, RootImageError> {
    fs::read(agent).map_err(|source| RootImageError::Read {
        path: agent.to_owned(),
        source,
    })
}
