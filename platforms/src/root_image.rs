//! Builds the root file system of a guest without an initramfs: an ISO 9660 image with the agent, the run-time linker,
//! libraries, and empty folders for mounts. Also builds the medium that carries the agent to a complete system.
//!
//! | module | owns |
//! |---|---|
//! | [`iso9660`] | writes the image |
//! | [`closure`] | finds the libraries that a program needs |
//! | [`agent_medium`] | the disk or CD with an agent for a complete system |
//!
//! The format is ISO 9660 because a BSD kernel can mount a CD as its root by itself, and no program is needed to write
//! one. The image has no shell, rc or login, so only libc can differ between releases. `/dev` must exist because the
//! kernel mounts devfs on it before it starts the first process. The agent mounts a tmpfs on `/tmp`.

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

/// The agent's path. The kernel's command line names it as `init_path`.
pub const AGENT: &str = "/agent";

/// The path of the batch input, which the agent reads instead of the channel.
pub const INPUT: &str = "/input";

/// More libraries that a Rust program for FreeBSD may be linked with, so that `exec` can run any test binary. They are
/// the libraries in the link attributes of Rust's own crates.
const RUST_LIBRARIES: [&str; 9] = [
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

/// Why an image cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RootImageError {
    /// The agent cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The tree lacks a library that the agent needs.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

/// Builds a root image. The same agent and tree give the same bytes.
///
/// `tree` is an unpacked system: a FreeBSD `base.txz`, or `/` of a running one. `input` is the batch input.
///
/// # Errors
/// When the agent cannot be read, or the tree lacks a library.
pub fn build(agent: &Path, tree: &Path, input: Option<&[u8]>) -> Result<Vec<u8>, RootImageError> {
    let content = read(agent)?;
    let mut closure = Closure::of(tree);
    closure.add("the agent", &content)?;
    closure.add_if_present(&RUST_LIBRARIES)?;
    let mut root = Folder::default();
    root.folder("dev", 0o755);
    root.folder("tmp", 0o1777);
    // Mount points that Linux needs.
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
