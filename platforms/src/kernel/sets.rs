//! Reads FreeBSD's distribution sets: takes the kernel from `kernel.txz`, and the run-time linker and shared libraries
//! from `base.txz`.
//!
//! The rest of the 200 MB is never unpacked. The libraries become a folder of the cache. It is moved to its final name
//! when it is complete, so an interrupted unpacking is never used.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use lzma_rust2::XzReader;

use crate::cache::{Cache, CacheError};

/// The kernel's path in its set.
const KERNEL: &str = "boot/kernel/kernel";

/// Why a set or a release image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The archive or image is damaged, or the file is neither.
    #[error("cannot unpack it")]
    Unpack(#[source] io::Error),
    /// It lacks a file.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A file cannot be written.
    #[error(transparent)]
    Disk(#[from] CacheError),
}

/// The kernel in a `kernel.txz`.
pub(super) fn kernel(set: &Path) -> Result<Vec<u8>, SetError> {
    let mut archive = open(set)?;
    for entry in archive.entries().map_err(SetError::Unpack)? {
        let mut entry = entry.map_err(SetError::Unpack)?;
        let path = plain(&entry.path().map_err(SetError::Unpack)?);
        if path == Path::new(KERNEL) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(SetError::Unpack)?;
            return Ok(content);
        }
    }
    Err(SetError::Missing(KERNEL))
}

/// The folder with the run-time linker and libraries of a `base.txz`. They are unpacked at the first call.
pub(super) fn tree(set: &Path, sha256: &str, cache: &Cache) -> Result<PathBuf, SetError> {
    let place = cache.folder("trees")?.join(sha256);
    if place.is_dir() {
        return Ok(place);
    }
    let scratch = cache.scratch()?;
    let folder = scratch.path().join("tree");
    let mut archive = open(set)?;
    for entry in archive.entries().map_err(SetError::Unpack)? {
        let mut entry = entry.map_err(SetError::Unpack)?;
        let path = plain(&entry.path().map_err(SetError::Unpack)?);
        if !is_library(&path) {
            continue;
        }
        let file = folder.join(&path);
        let parent = file.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(CacheError::writing(parent))?;
        if let Some(target) = entry.link_name().map_err(SetError::Unpack)? {
            // A hard link names an earlier file of the archive. It becomes a symbolic link inside the tree.
            let target = match entry.header().entry_type().is_hard_link() {
                true => Path::new("/").join(plain(&target)),
                false => target.into_owned(),
            };
            std::os::unix::fs::symlink(target, &file).map_err(CacheError::writing(&file))?;
        } else {
            let mut out = File::create(&file).map_err(CacheError::writing(&file))?;
            io::copy(&mut entry, &mut out).map_err(CacheError::writing(&file))?;
        }
    }
    if !folder.join("libexec/ld-elf.so.1").exists() {
        return Err(SetError::Missing("libexec/ld-elf.so.1"));
    }
    fs::rename(&folder, &place).map_err(CacheError::writing(&place))?;
    Ok(place)
}

fn open(set: &Path) -> Result<tar::Archive<XzReader<File>>, SetError> {
    let file = File::open(set).map_err(SetError::Unpack)?;
    Ok(tar::Archive::new(XzReader::new(file, true)))
}

/// The path without a leading `./` or `/`. A `..` is kept, so that such a path matches nothing.
fn plain(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir | Component::RootDir))
        .collect()
}

fn is_library(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match folder.to_str() {
        Some("libexec") => name.starts_with("ld-elf.so."),
        Some("lib" | "usr/lib") => name.contains(".so"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use lzma_rust2::{XzOptions, XzWriter};
    use tempfile::TempDir;

    use super::*;

    fn set(folder: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, path, target).unwrap();
            } else {
                header.set_size(content.len() as u64);
                header.set_mode(0o555);
                archive
                    .append_data(&mut header, path, content.as_bytes())
                    .unwrap();
            }
        }
        let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
        writer.write_all(&archive.into_inner().unwrap()).unwrap();
        let path = folder.join(name);
        fs::write(&path, writer.finish().unwrap()).unwrap();
        path
    }

    #[test]
    fn only_the_kernel_and_the_libraries_are_unpacked() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let kernel_set = set(
            folder.path(),
            "kernel.txz",
            &[
                ("./boot/kernel/if_tun.ko", "module"),
                ("./boot/kernel/kernel", "ELF"),
            ],
        );
        assert_eq!(kernel(&kernel_set).unwrap(), b"ELF");
        let base = set(
            folder.path(),
            "base.txz",
            &[
                ("./bin/sh", "a shell"),
                ("./libexec/ld-elf.so.1", "linker"),
                ("./lib/libc.so.7", "libc"),
                ("./usr/lib/libc.so", "-> ../../lib/libc.so.7"),
                ("./usr/lib/libc.a", "archive"),
            ],
        );
        let tree_of = || tree(&base, "abc", &cache).unwrap();
        let place = tree_of();
        assert_eq!(fs::read(place.join("usr/lib/libc.so")).unwrap(), b"libc");
        assert!(place.join("libexec/ld-elf.so.1").is_file());
        for left in ["bin", "usr/lib/libc.a"] {
            assert!(!place.join(left).exists(), "{left}");
        }
        fs::remove_file(&base).unwrap();
        assert_eq!(tree_of(), place, "the second time nothing is unpacked");
    }

    #[test]
    fn a_truncated_or_incomplete_set_leaves_no_tree() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let base = set(folder.path(), "base.txz", &[("./lib/libc.so.7", "libc")]);
        let missing = tree(&base, "abc", &cache).unwrap_err();
        assert_eq!(missing.to_string(), "it has no libexec/ld-elf.so.1");
        let whole = fs::read(&base).unwrap();
        fs::write(&base, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(tree(&base, "abc", &cache), Err(SetError::Unpack(_))));
        assert!(matches!(kernel(&base), Err(SetError::Unpack(_))));
        assert!(!folder.path().join("cache/trees/abc").exists());
    }
}
