//! Finds platforms by name: this machine, guests, remote machines, and platforms described in a file.
//!
//! An unknown name is an error before any case runs. A platform that cannot be started is noticed when its first agent
//! starts: its cases are then `broken`, and the other platforms still run.

use std::io;
use std::path::{Path, PathBuf};

use reusespec_platforms::profile::{self, PlatformProfile, PlatformProfileError};
use reusespec_platforms::{AgentCommand, GuestStarter, RemotePlatform, remote};

use crate::run::{HOST, Platform};

/// A kernel to boot instead of the one in the platform's profile.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OwnKernel {
    /// Boot this kernel (bzImage, Image or ELF; for gvisor a runsc) instead of the platform's own.
    #[arg(id = "kernel", long = "kernel", value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// The lib/modules/VERSION that belongs to --kernel.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// The unpacked system that belongs to --kernel, e.g. of FreeBSD's base.txz.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub tree: Option<PathBuf>,
}

/// Reasons why a platform cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The path of this program is unknown, so it cannot be started as the agent.
    #[error("cannot find the path of this program")]
    OwnProgram(#[source] io::Error),
    /// There is no such platform, or its file has a mistake.
    #[error(transparent)]
    PlatformProfile(#[from] PlatformProfileError),
    /// `--kernel` with a platform that is not a guest.
    #[error("--kernel needs a guest, and {0} is not a guest")]
    NoGuest(String),
    /// A file of `--kernel`, `--modules` or `--tree` cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The platform called `name`.
///
/// # Errors
/// There is no such platform, its file has a mistake, or its `--kernel` cannot be read.
pub fn find(name: &str, own: &OwnKernel) -> Result<Platform, PlatformError> {
    if name == HOST {
        return match own.image {
            None => host(),
            Some(_) => Err(PlatformError::NoGuest(name.to_owned())),
        };
    }
    if let Some(remote) = RemotePlatform::find(name) {
        let mut remote = remote?;
        if let Some(image) = &own.image {
            readable(image)?;
            let name = remote.name.clone();
            let with_kernel = remote.with_kernel(image);
            remote = with_kernel.ok_or(PlatformError::NoGuest(name))?;
        }
        return Ok(Platform {
            name: remote.name.clone(),
            deviations: remote.deviations.clone(),
            varies: Vec::new(),
            starter: Box::new(remote),
        });
    }
    let profile = PlatformProfile::find(name)?;
    Ok(Platform {
        name: profile.name.clone(),
        deviations: profile.deviations.clone(),
        varies: profile.varies.clone(),
        starter: Box::new(guest(profile, own)?),
    })
}

/// The guest of a profile, with its own kernel or that of `--kernel`.
///
/// # Errors
/// The kernel of `--kernel` cannot be read, or this guest cannot boot it.
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
/// The path of this program is unknown.
pub fn host() -> Result<Platform, PlatformError> {
    let program = std::env::current_exe()
        .map_err(PlatformError::OwnProgram)?
        .into_os_string();
    let agent = AgentCommand::new(program, ["agent".into()]);
    Ok(Platform {
        name: HOST.to_owned(),
        starter: Box::new(agent),
        deviations: Vec::new(),
        varies: Vec::new(),
    })
}

/// The name of every platform that needs no file.
pub fn names() -> impl Iterator<Item = String> {
    std::iter::once(HOST.to_owned())
        .chain(profile::names())
        .chain(remote::names())
}
