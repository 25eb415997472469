//! Kernels as data: from a [`KernelSource`] to files QEMU can boot, fetched once and kept.
//!
//! Neighbours: `debian` and `pinned` download, `image` unpacks an x86 kernel to the ELF file that PVH boots,
//! `modules` chooses and orders modules; `qemu` consumes the result.
//!
//! A kernel stays the one that was fetched until somebody asks for a refresh, although the package's name moves
//! every few weeks: results must not change because Debian released something. The manifest records what it is.

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
mod modules;
mod pinned;
mod sets;

pub use debian::AptError;
pub use disk::DiskError;
pub use image::ImageError;
pub use modules::ModuleError;
pub use pinned::DownloadError;
pub use sets::SetError;

/// A kernel on this machine's disk, verified.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `uname -r`, as far as the source tells: `6.1.0-50-cloud-amd64`.
    pub release: String,
    /// Where it came from, for people: `linux-image-6.1.0-50-cloud-amd64 6.1.176-1`.
    pub origin: String,
    /// What QEMU is given as `-kernel`.
    pub image: PathBuf,
    /// Modules in the order they are to be loaded, decompressed.
    pub modules: Vec<Module>,
    /// Whether the channel can be virtio-serial: its driver is in the kernel or in `modules`.
    pub virtio_console: bool,
    /// The system it belongs to, unpacked, where the root file system is made from that.
    pub tree: Option<PathBuf>,
    /// Hash over image and modules.
    pub sha256: String,
}

/// A loadable module.
#[derive(Clone, Debug)]
pub struct Module {
    /// Without folder and ending, underscores only: `virtio_console`.
    pub name: String,
    /// The decompressed `.ko`.
    pub path: PathBuf,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Reading or writing the cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Debian's packages.
    #[error("cannot get {package} of Debian {suite}")]
    Apt {
        /// The meta package.
        package: String,
        /// The release.
        suite: String,
        /// At which step, and the way out.
        source: AptError,
    },
    /// A pinned file.
    #[error("cannot download {url}")]
    Download {
        /// Where from.
        url: String,
        /// At which step, and the way out.
        source: DownloadError,
    },
    /// A downloaded distribution set.
    #[error("cannot use {}", .path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SetError,
    },
    /// A downloaded system.
    #[error("cannot use {}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DiskError,
    },
    /// The kernel is not of a form we can boot.
    #[error("cannot unpack {}", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        source: ImageError,
    },
    /// A module is missing or unreadable.
    #[error("cannot pack the modules of {release}")]
    Module {
        /// The kernel's release.
        release: String,
        /// Which, and why.
        source: ModuleError,
    },
    /// A file given by path.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// What is being done, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// The package lists are read; this takes a few seconds and has no measure.
    Listing(&'a str),
    /// A download: name, part done between 0 and 1.
    Downloading(&'a str, f32),
    /// A package is unpacked, the kernel decompressed, modules chosen.
    Unpacking(&'a str),
    /// A system is decompressed: name, part done between 0 and 1.
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

/// Receives what is being done.
pub type Watch<'a> = &'a mut dyn FnMut(Progress<'_>);

/// What a source's files are before they are in the cache.
struct Found {
    origin: String,
    image: Vec<u8>,
    /// Where the image was read, for errors.
    path: PathBuf,
    /// `lib/modules/VERSION`, if there is one.
    modules: Option<PathBuf>,
    /// The system it belongs to.
    tree: Option<PathBuf>,
}

/// What is kept about a kernel, beside the files themselves.
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

/// A file with a pinned content that a kernel is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// Where it is.
    pub url: String,
    /// What it is; where nobody says so, what the first download was is kept.
    pub sha256: Option<String>,
    /// Where it is looked for, below the cache's folder.
    pub place: PathBuf,
    /// How much of it is there.
    pub bytes: u64,
    /// Whether that is all of it; its content is checked when it is used.
    pub complete: bool,
}

/// The pinned files of `profile`; none where a package manager decides.
pub fn pinned_files(profile: &PlatformProfile, cache: &Cache) -> Vec<PinnedFile> {
    let needed = |(url, sha256): (String, Option<&str>)| {
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
    profile.qemu().kernel.files().into_iter().map(needed).collect()
}

/// The kernel of `profile`, if it is in the cache and undamaged.
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

/// The kernel of `profile`, from the cache or from its source. A file given by path is read each time.
pub fn fetch(profile: &PlatformProfile, cache: &Cache, watch: Watch<'_>) -> Result<Kernel, KernelError> {
    let local = matches!(profile.qemu().kernel, KernelSource::Path { .. });
    if !local && let Some(kernel) = cached(profile, cache) {
        return Ok(kernel);
    }
    refresh(profile, cache, watch)
}

/// The kernel of `profile` as its source has it now; replaces what is in the cache once everything is there.
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
        let vanished = io::Error::other("it was damaged between writing and reading");
        KernelError::Read {
            path: cache.root().join(name),
            source: vanished,
        }
    })
}

fn find(
    profile: &PlatformProfile,
    cache: &Cache,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Found, KernelError> {
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
            let mut get = |name: &str, sha256: &str| {
                let url = format!("{folder}/{name}");
                let path = pinned::fetch(&url, sha256, &cache.folder("downloads")?, pinned::SILENCE, watch);
                path.map_err(|source| KernelError::Download { url, source })
            };
            let kernel_set = get("kernel.txz", kernel)?;
            let base_set = get("base.txz", base)?;
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
        KernelSource::Disk { .. } => unreachable!("it has been fetched before anything is looked for"),
        KernelSource::Pinned { url, sha256 } => {
            let path = pinned::fetch(url, sha256, &cache.folder("downloads")?, pinned::SILENCE, watch)
                .map_err(|source| KernelError::Download {
                    url: url.clone(),
                    source,
                })?;
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
        // PVH starts the decompressed kernel: 0.4 to 1.5 s less of an emulated CPU's time on every boot.
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

/// Keyed by everything that decides the content, so that an edited profile is not served another's kernel.
fn manifest_name(profile: &PlatformProfile) -> String {
    let qemu = profile.qemu();
    let key = serde_json::json!([1, qemu.kernel, qemu.channel_modules, qemu.modules]);
    format!("kernels/{}.json", &sha256(key.to_string().as_bytes())[..16])
}
