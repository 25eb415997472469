//! The cache folder for downloads, kernels, root images and saved states. Files are written completely or not at all.
//!
//! Blobs are named by their SHA-256, but a read verifies only length and CRC-32. That detects damage (a full disk, an
//! incomplete copy) and takes 10 ms for a kernel, where SHA-256 takes 200 ms at every start. It does not detect
//! forgery, but a user who can write to this folder can also replace the program. Downloads are verified by SHA-256
//! once, when they are made.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No environment variable says where the cache is, and the user has no home folder.
    #[error("no location for the cache: set REUSESPEC_CACHE, XDG_CACHE_HOME or HOME")]
    NoLocation,
    /// The disk is full, or a limit on file sizes is reached.
    #[error("no space for {}: free some, or set REUSESPEC_CACHE to a folder on a larger disk", .path.display())]
    Full {
        /// The file being written.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Any other error of a write.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file being written.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl CacheError {
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path, source }
            }
            _ => Self::Write { path, source },
        }
    }
}

/// The cache folder. The folder is created when the first file is stored.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// The identity of a stored file, and what is needed to detect damage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// SHA-256 in hexadecimal; also the file's name.
    pub sha256: String,
    /// CRC-32 (IEEE).
    pub crc32: u32,
    /// Length in bytes.
    pub bytes: u64,
}

impl Blob {
    /// The identity of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self {
            sha256: sha256(content),
            crc32: crc32fast::hash(content),
            bytes: content.len() as u64,
        }
    }
}

impl Cache {
    /// The cache at `$REUSESPEC_CACHE`, or else at `reusespec` in `$XDG_CACHE_HOME` or `~/.cache`.
    ///
    /// # Errors
    /// When none of these variables is set and the user has no home folder.
    pub fn from_environment() -> Result<Self, CacheError> {
        if let Some(root) = env::var_os("REUSESPEC_CACHE").filter(|value| !value.is_empty()) {
            return Ok(Self::at(PathBuf::from(root)));
        }
        // The XDG rules on macOS too, so that the folder has one name on all systems.
        let strategy = etcetera::base_strategy::Xdg::new().map_err(|_| CacheError::NoLocation)?;
        Ok(Self::at(strategy.cache_dir().join("reusespec")))
    }

    /// The cache in the folder `root`. The path is made absolute, because QEMU runs in another working directory.
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self {
            root: std::path::absolute(&root).unwrap_or_else(|_| root.as_ref().to_owned()),
        }
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a folder inside the cache.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf, CacheError> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(CacheError::writing(&path))?;
        Ok(path)
    }

    /// A temporary folder on the same file system as the cache, so that files can be moved from it. Removed when
    /// dropped.
    pub fn scratch(&self) -> Result<TempDir, CacheError> {
        let folder = self.folder("scratch")?;
        TempDir::new_in(&folder).map_err(CacheError::writing(&folder))
    }

    /// Stores `content`. A stored file that is damaged is replaced.
    pub fn store(&self, content: &[u8]) -> Result<Blob, CacheError> {
        let blob = Blob::of(content);
        if self.path(&blob).is_none() {
            self.write(Path::new("blobs").join(&blob.sha256), content)?;
        }
        Ok(blob)
    }

    /// The file with the content of `blob`; `None` if it is missing or damaged.
    pub fn path(&self, blob: &Blob) -> Option<PathBuf> {
        let path = self.root.join("blobs").join(&blob.sha256);
        intact(&path, blob).then_some(path)
    }

    /// Writes a file completely or not at all. `name` is relative to the cache.
    pub fn write(&self, name: impl AsRef<Path>, content: &[u8]) -> Result<PathBuf, CacheError> {
        let path = self.root.join(name);
        let folder = path.parent().expect("a name inside the cache has a folder");
        fs::create_dir_all(folder).map_err(CacheError::writing(folder))?;
        let mut file = NamedTempFile::new_in(folder).map_err(CacheError::writing(&path))?;
        file.write_all(content).map_err(CacheError::writing(&path))?;
        file.persist(&path)
            .map_err(|error| CacheError::writing(&path)(error.error))?;
        Ok(path)
    }

    /// Locks `name` against other processes until the result is dropped, so that two runs do not fetch one kernel
    /// twice.
    pub fn lock(&self, name: &str) -> Result<File, CacheError> {
        let path = self.folder("locks")?.join(name);
        let file = File::create(&path).map_err(CacheError::writing(&path))?;
        file.lock().map_err(CacheError::writing(&path))?;
        Ok(file)
    }
}

/// Whether the file at `path` has the length and checksum of `blob`.
pub(crate) fn intact(path: &Path, blob: &Blob) -> bool {
    checksum(path).is_ok_and(|found| found == (blob.crc32, blob.bytes))
}

/// CRC-32 and length of a file.
pub(crate) fn checksum(path: &Path) -> io::Result<(u32, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finalize(), bytes));
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_blob_counts_as_missing_and_storing_repairs_it() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let blob = cache.store(b"a kernel").unwrap();
        let path = cache.path(&blob).unwrap();
        for damage in [&b"a kernal"[..], b"a ker", b""] {
            fs::write(&path, damage).unwrap();
            assert_eq!(cache.path(&blob), None);
            cache.store(b"a kernel").unwrap();
            assert_eq!(cache.path(&blob).as_ref(), Some(&path));
        }
    }

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        // A folder with the file's name makes the last step, the renaming, fail.
        fs::create_dir_all(folder.path().join("there/inside")).unwrap();
        assert!(matches!(
            cache.write("there", b"content"),
            Err(CacheError::Write { .. })
        ));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
