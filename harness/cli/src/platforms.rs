//! Platforms by name: this machine, guests, and what a file describes.
//!
//! Whether a name exists is checked before anything runs; whether the platform works is found when its first agent
//! is asked for, so that one that does not is `broken` in the reports and the others still run.

use std::io;
use std::path::{Path, PathBuf};

use reusespec_platforms::profile::{self, PlatformProfile, ProfileError};
use reusespec_platforms::{AgentCommand, GuestStarter, RemotePlatform, remote};

use crate::run::{HOST, Platform};

/// A kernel of one's own instead of the profile's.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OwnKernel {
    /// Boot this kernel (bzImage, Image or ELF) in the guest instead of the platform's own.
    #[arg(id = "kernel", long = "kernel", value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// The lib/modules/VERSION that belongs to --kernel.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// The unpacked system that belongs to --kernel, e.g. of FreeBSD's base.txz.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub tree: Option<PathBuf>,
}

/// Why there is no such platform.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// This program cannot be started again.
    #[error("cannot tell where this program is")]
    OwnProgram(#[source] io::Error),
    /// The name or the file.
    #[error(transparent)]
    PlatformProfile(#[from] ProfileError),
    /// `--kernel` for what has none to replace.
    #[error("--kernel is for guests, and {0} is none")]
    NoGuest(String),
    /// The file of `--kernel` or `--modules`.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The platform called `name`.
///
/// # Errors
/// When there is none, its file has mistakes, or the kernel given for it is not there.
pub fn find(name: &str, own: &OwnKernel) -> Result<Platform, PlatformError> {
    if name == HOST {
        return match own.image {
            None => host(),
            Some(_) => Err(PlatformError::NoGuest(name.to_owned())),
        };
    }
    if let Some(remote) = RemotePlatform::find(name) {
        let remote = remote?;
        if own.image.is_some() {
            return Err(PlatformError::NoGuest(remote.name));
        }
        return Ok(Platform {
            name: remote.name.clone(),
            deviations: remote.deviations.clone(),
            starter: Box::new(remote),
        });
    }
    let profile = PlatformProfile::find(name)?;
    let deviations = profile.deviations.clone();
    let name = profile.name.clone();
    Ok(Platform {
        name,
        starter: Box::new(guest(profile, own)?),
        deviations,
    })
}

/// The guest of a profile, with the kernel it is to have.
///
/// # Errors
/// When the kernel given for it is not there, or cannot be started so.
pub fn guest(profile: PlatformProfile, own: &OwnKernel) -> Result<GuestStarter, PlatformError> {
    for path in own.image.iter().chain(&own.modules).chain(&own.tree) {
        readable(path)?;
    }
    let starter = GuestStarter::new(profile);
    match &own.image {
        None => Ok(starter),
        Some(image) => Ok(starter.with_kernel(image, own.modules.as_deref(), own.tree.as_deref())?),
    }
}

fn readable(path: &Path) -> Result<(), PlatformError> {
    std::fs::metadata(path)
        .map(drop)
        .map_err(|source| PlatformError::Unreadable {
            path: path.to_owned(),
            source,
        })
}

/// This machine, with this program as the agent.
///
/// # Errors
/// When the system does not say where this program is.
pub fn host() -> Result<Platform, PlatformError> {
    let program = std::env::current_exe()
        .map_err(PlatformError::OwnProgram)?
        .into_os_string();
    let agent = AgentCommand::new(program, ["agent".into()]);
    Ok(Platform {
        name: HOST.to_owned(),
        starter: Box::new(agent),
        deviations: Vec::new(),
    })
}

/// Every name that `--platform` takes without a file.
pub fn names() -> impl Iterator<Item = String> {
    std::iter::once(HOST.to_owned())
        .chain(profile::names())
        .chain(remote::names())
}
