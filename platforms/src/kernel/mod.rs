//! Turns a [`KernelSource`] into files that QEMU can boot, and keeps them in the cache.
//!
//! `debian`, `pinned`, `sets`, `iso` and `disk` obtain the files, `image` extracts from an x86 kernel the ELF file that PVH
//! boots, and `modules` selects and orders modules. `qemu` uses the result.
//!
//! A kernel that was fetched is used until the user asks for a refresh, although Debian's meta package moves to another
//! kernel every few weeks: results must not change because Debian released a package. A manifest records the origin.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    cache::{Blob, Cache, CacheError, sha256},
    profile::{KernelSource, MachineType, PlatformProfile},
};

mod debian;
mod disk;
mod image;
mod iso;
mod iso9660;
mod modules;
mod pinned;
mod sets;

pub use debian::AptError;
pub(crate) use debian::unpack as unpack_debian;
pub use disk::DiskError;
pub use image::ImageError;
pub use modules::ModuleError;
pub use pinned::DownloadError;
pub use sets::SetError;

/// A kernel in the cache, verified.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `uname -r`: `6.1.0-50-cloud-amd64`. Empty if the source does not tell.
    pub release: String,
    /// Its origin, for messages: `linux-image-6.1.0-50-cloud-amd64 6.1.176-1`.
    pub origin: String,
    /// The file for QEMU's `-kernel`, or the image of a complete system.
    pub image: PathBuf,
    /// The modules to load, in this order.
    pub modules: Vec<Module>,
    /// Whether the channel can be virtio-serial: the driver is built in or in `modules`.
    pub virtio_console: bool,
    /// The unpacked system from which the root image is made, if it needs one.
    pub tree: Option<PathBuf>,
    /// A hash of the image and the modules.
    pub sha256: String,
}

/// A loadable module.
#[derive(Clone, Debug)]
pub struct Module {
    /// The name without folder and suffix, with underscores only: `virtio_console`.
    pub name: String,
    /// The decompressed `.ko`.
    pub path: PathBuf,
}

/// Why a kernel cannot be obtained.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Debian's package cannot be used.
    #[error("cannot get {package} of Debian {suite}")]
    Apt {
        /// The meta package.
        package: String,
        /// Debian's release.
        suite: String,
        /// What failed, and what to do.
        source: AptError,
    },
    /// A file cannot be downloaded.
    #[error("cannot download {url}")]
    Download {
        /// Its URL.
        url: String,
        /// What failed, and what to do.
        source: DownloadError,
    },
    /// The profile names no kernel.
    #[error(
        "{platform} was never released, so there is nothing to download: give a build of it with --kernel and --tree"
    )]
    Local {
        /// The platform.
        platform: String,
    },
    /// A downloaded distribution set or release cannot be used.
    #[error("cannot use {}", .path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SetError,
    },
    /// A downloaded system cannot be used.
    #[error("cannot use {}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DiskError,
    },
    /// The kernel cannot be extracted from its image.
    #[error("cannot unpack {}", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// A module is missing or cannot be read.
    #[error("cannot pack the modules of {release}")]
    Module {
        /// The kernel's release.
        release: String,
        /// The module, and what is wrong with it.
        source: ModuleError,
    },
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// A stage of fetching a kernel, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// Reading the package lists of a suite. It takes a few seconds; the progress is unknown.
    Listing(&'a str),
    /// Downloading: the name, and the completed part between 0 and 1.
    Downloading(&'a str, f32),
    /// Unpacking a package, extracting the kernel, and selecting modules.
    Unpacking(&'a str),
    /// Decompressing a system: the name, and the completed part between 0 and 1.
    Decompressing(&'a str, f32),
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listing(suite) => write!(f, "reading the package lists of {suite}"),
            Self::Downloading(what, _) => write!(f, "fetching {what}"),
            Self::Unpacking(what) => write!(f, "unpacking {what}"),
            Self::Decompressing(what, _) => write!(f, "decompressing {what}"),
        }
    }
}

/// Receives the progress.
pub type Watch<'a> = &'a mut dyn FnMut(Progress<'_>);

/// The files of a source, before they are in the cache.
struct Found {
    origin: String,
    image: Vec<u8>,
    /// The image's file, for errors.
    path: PathBuf,
    /// `lib/modules/VERSION`, if the source has it.
    modules: Option<PathBuf>,
    /// The unpacked system, if the source has it.
    tree: Option<PathBuf>,
}

/// The cache's record of a kernel. The files are stored as blobs.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    release: String,
    origin: String,
    image: Blob,
    modules: Vec<(String, Blob)>,
    virtio_console: bool,
    #[serde(default)]
    tree: Option<PathBuf>,
}

/// A download that a kernel needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// Its URL.
    pub url: String,
    /// Its SHA-256. `None` if the publisher gives none; then the hash of the first download is recorded.
    pub sha256: Option<String>,
    /// Its path below the cache's folder.
    pub place: PathBuf,
    /// The number of bytes that are in the cache.
    pub bytes: u64,
    /// Whether the download is complete. The content is verified when it is used.
    pub complete: bool,
}

/// The downloads that the kernel of `profile` needs. Empty for Debian's packages and local files.
pub fn pinned_files(profile: &PlatformProfile, cache: &Cache) -> Vec<PinnedFile> {
    let file = |(url, sha256): (String, Option<&str>)| {
        let place = Path::new("downloads").join(pinned::file_name(&url, sha256));
        let length = |path: PathBuf| fs::metadata(path).map(|meta| meta.len()).ok();
        let whole = length(cache.root().join(&place));
        let part = length(cache.root().join(&place).with_extension("part"));
        PinnedFile {
            url,
            sha256: sha256.map(str::to_owned),
            place,
            bytes: whole.or(part).unwrap_or(0),
            complete: whole.is_some(),
        }
    };
    profile.qemu().kernel.files().into_iter().map(file).collect()
}

/// The kernel of `profile`, if the cache has it undamaged.
pub fn cached(profile: &PlatformProfile, cache: &Cache) -> Option<Kernel> {
    if let KernelSource::Disk { url, sha256, .. } = &profile.qemu().kernel {
        return disk::cached(url, sha256.as_deref(), cache);
    }
    let text = fs::read(cache.root().join(manifest_name(profile))).ok()?;
    let manifest: Manifest = serde_json::from_slice(&text).ok()?;
    let module = |(name, blob): &(String, Blob)| {
        Some(Module {
            name: name.clone(),
            path: cache.path(blob)?,
        })
    };
    let content: String = std::iter::once(&manifest.image)
        .chain(manifest.modules.iter().map(|(_, blob)| blob))
        .map(|blob| blob.sha256.as_str())
        .collect();
    if manifest.tree.as_ref().is_some_and(|tree| !tree.is_dir()) {
        return None;
    }
    Some(Kernel {
        tree: manifest.tree.clone(),
        image: cache.path(&manifest.image)?,
        modules: manifest.modules.iter().map(module).collect::<Option<_>>()?,
        virtio_console: manifest.virtio_console,
        sha256: sha256(content.as_bytes()),
        release: manifest.release,
        origin: manifest.origin,
    })
}

/// The kernel of `profile`, from the cache or else from its source. A local file is read every time.
pub fn fetch(profile: &PlatformProfile, cache: &Cache, watch: Watch<'_>) -> Result<Kernel, KernelError> {
    let local = matches!(profile.qemu().kernel, KernelSource::Path { .. });
    if !local && let Some(kernel) = cached(profile, cache) {
        return Ok(kernel);
    }
    refresh(profile, cache, watch)
}

/// The current kernel of the source of `profile`. It replaces the one in the cache after everything has been fetched.
pub fn refresh(profile: &PlatformProfile, cache: &Cache, watch: Watch<'_>) -> Result<Kernel, KernelError> {
    let name = manifest_name(profile);
    let _held = cache.lock(&name.replace('/', "-"))?;
    if let KernelSource::Disk { url, sha256, .. } = &profile.qemu().kernel {
        return disk::fetch(url, sha256.as_deref(), cache, watch);
    }
    let scratch = cache.scratch()?;
    let found = find(profile, cache, scratch.path(), watch)?;
    watch(Progress::Unpacking(&found.origin));
    let manifest = pack(profile, cache, &found)?;
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
    cache.write(&name, &text)?;
    cached(profile, cache).ok_or_else(|| {
        let damaged = io::Error::other("it was damaged between writing and reading");
        KernelError::Read {
            path: cache.root().join(name),
            source: damaged,
        }
    })
}

fn find(
    profile: &PlatformProfile,
    cache: &Cache,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Found, KernelError> {
    let mut download = |url: String, sha256: &str| {
        let folder = cache.folder("downloads")?;
        match pinned::fetch(&url, Some(sha256), &folder, pinned::IDLE_TIMEOUT, watch) {
            Ok((path, _)) => Ok(path),
            Err(source) => Err(KernelError::Download { url, source }),
        }
    };
    match &profile.qemu().kernel {
        KernelSource::Debian {
            suite,
            package,
            architecture,
        } => {
            let apt = cache.folder(format!("apt/{suite}-{architecture}"))?;
            debian::fetch(suite, package, architecture, &apt, scratch, watch).map_err(|source| {
                KernelError::Apt {
                    package: package.clone(),
                    suite: suite.clone(),
                    source,
                }
            })
        }
        KernelSource::Path { image, modules, tree } => Ok(Found {
            tree: tree.clone(),
            origin: image.display().to_string(),
            image: read(image)?,
            path: image.clone(),
            modules: modules.clone(),
        }),
        KernelSource::Sets { folder, kernel, base } => {
            let kernel_set = download(format!("{folder}/kernel.txz"), kernel)?;
            let base_set = download(format!("{folder}/base.txz"), base)?;
            watch(Progress::Unpacking(folder));
            let of = |path: &Path| {
                let path = path.to_owned();
                move |source| KernelError::Set { path, source }
            };
            Ok(Found {
                origin: folder.clone(),
                image: sets::kernel(&kernel_set).map_err(of(&kernel_set))?,
                tree: Some(sets::tree(&base_set, base, cache).map_err(of(&base_set))?),
                path: kernel_set,
                modules: None,
            })
        }
        KernelSource::Iso { url, sha256 } => iso::fetch(url, sha256.as_deref(), cache, scratch, watch),
        KernelSource::Local => Err(KernelError::Local {
            platform: profile.name.clone(),
        }),
        KernelSource::Disk { .. } => unreachable!("`refresh` handles disks itself"),
        KernelSource::Pinned { url, sha256 } => {
            let path = download(url.clone(), sha256)?;
            Ok(Found {
                origin: url.clone(),
                image: read(&path)?,
                path,
                modules: None,
                tree: None,
            })
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KernelError> {
    fs::read(path).map_err(|source| KernelError::Read {
        path: path.to_owned(),
        source,
    })
}

fn pack(profile: &PlatformProfile, cache: &Cache, found: &Found) -> Result<Manifest, KernelError> {
    let qemu = profile.qemu();
    let elf = match qemu.machine_type {
        // PVH boots the decompressed kernel. That saves an emulated CPU 0.4 to 1.5 s at every boot.
        MachineType::Microvm | MachineType::Q35 => {
            image::vmlinux(&found.image).map_err(|source| KernelError::Image {
                path: found.path.clone(),
                source,
            })?
        }
        MachineType::Virt | MachineType::S390 => found.image.clone(),
    };
    let from_folder = found
        .modules
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into());
    let release: String = from_folder
        .or_else(|| image::release(&found.image))
        .unwrap_or_default();
    let module_error = |source| KernelError::Module {
        release: release.clone(),
        source,
    };

    let mut tree = modules::Tree::read(found.modules.as_deref()).map_err(module_error)?;
    let virtio_console = qemu.channel_modules.iter().all(|name| tree.has(name));
    let channel = qemu.channel_modules.iter().filter(|_| virtio_console);
    let chosen = tree.closure(channel.chain(&qemu.modules)).map_err(module_error)?;
    let mut kept = Vec::new();
    for (name, content) in chosen {
        kept.push((name, cache.store(&content)?));
    }
    let image = cache.store(&elf)?;
    Ok(Manifest {
        release,
        origin: found.origin.clone(),
        image,
        modules: kept,
        virtio_console,
        tree: found.tree.clone(),
    })
}

/// The manifest's path. It depends on everything that decides the content, so an edited profile does not get the kernel
/// of the former one.
fn manifest_name(profile: &PlatformProfile) -> String {
    let qemu = profile.qemu();
    let key = serde_json::json!([1, qemu.kernel, qemu.channel_modules, qemu.modules]);
    format!("kernels/{}.json", &sha256(key.to_string().as_bytes())[..16])
}
