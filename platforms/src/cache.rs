//! The folder where kernels and warm states are kept: content under its hash, written whole or not at all.
//!
//! Neighbours: `kernel` and `qemu::warm` are its two users.
//!
//! What is read is checked by length and CRC-32, not by the SHA-256 that names it: this finds damage (a full disk, a
//! copy cut short), costs 10 ms for a kernel where SHA-256 costs 200 on every start, and does not find forgery. Who
//! can write to this folder can replace the program as well; downloads are verified by SHA-256 when they are made.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither variable says where it is.
    #[error("no place for the cache: set REUSESPEC_CACHE, XDG_CACHE_HOME or HOME")]
    Nowhere,
    /// The disk is full, or a limit on file sizes is reached.
    #[error("no space for {}: free some, or set REUSESPEC_CACHE to a larger disk", .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot write {}", .path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// The system's answer.
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

/// A folder. Cheap to clone; nothing is created before something is stored.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A stored file: what it is, and how damage is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// SHA-256 in hexadecimal; also its name.
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
    /// `$REUSESPEC_CACHE`, or `reusespec` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn from_environment() -> Result<Self, CacheError> {
        let set = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("REUSESPEC_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|home| home.join("reusespec")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/reusespec")))
            .ok_or(CacheError::Nowhere)?;
        Ok(Self::at(root))
    }

    /// The cache in the folder `root`. A relative path would mean another folder to QEMU, so it is made absolute.
    pub fn at(root: impl AsRef<Path>) -> Self {
        Self {
            root: std::path::absolute(&root).unwrap_or_else(|_| root.as_ref().to_owned()),
        }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder inside the cache, created.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf, CacheError> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(CacheError::writing(&path))?;
        Ok(path)
    }

    /// A folder for unpacking, gone when dropped; on the same disk as everything else.
    pub fn scratch(&self) -> Result<TempDir, CacheError> {
        let place = self.folder("scratch")?;
        TempDir::new_in(&place).map_err(CacheError::writing(&place))
    }

    /// Keep `content`. Writing what is there already repairs it.
    pub fn store(&self, content: &[u8]) -> Result<Blob, CacheError> {
        let blob = Blob::of(content);
        if self.path(&blob).is_none() {
            self.write(Path::new("blobs").join(&blob.sha256), content)?;
        }
        Ok(blob)
    }

    /// Where the content of `blob` is; `None` if it is missing or damaged.
    pub fn path(&self, blob: &Blob) -> Option<PathBuf> {
        let path = self.root.join("blobs").join(&blob.sha256);
        intact(&path, blob).then_some(path)
    }

    /// Write a file whole or not at all; `name` is relative to the cache.
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

    /// Hold `name` against other processes until the result is dropped: two runs must not fetch one kernel twice.
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

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_or_shortened_blob_is_missing_and_storing_repairs_it() {
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
    fn what_cannot_be_written_whole_leaves_no_trace() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        // A folder in the place of the file makes the last step, the renaming, fail.
        fs::create_dir_all(folder.path().join("there/inside")).unwrap();
        assert!(matches!(
            cache.write("there", b"content"),
            Err(CacheError::Write { .. })
        ));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
