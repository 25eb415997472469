//! Takes the kernel and the libraries out of the ISO image of a DragonFly release.
//!
//! The image is decompressed into a scratch folder, which needs about 800 MB for a moment. What is kept is the kernel and
//! a folder of run-time linker and shared libraries, as for FreeBSD's sets. The folder is moved to its final name when it
//! is complete.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::iso9660::{Content, Volume};
use super::{Found, KernelError, Progress, SetError, Watch, disk};
use crate::cache::{Cache, CacheError};

/// The folder and the name of the kernel.
const KERNEL: (&str, &str) = ("boot/kernel", "kernel");

/// The run-time linker.
const LINKER: &str = "libexec/ld-elf.so.2";

/// The folders with the run-time linker and libraries. `usr/libexec` has a link to the linker.
const FOLDERS: [&str; 5] = ["lib", "libexec", "usr/lib", "usr/lib/thread", "usr/libexec"];

/// Downloads the image and reads it.
pub(super) fn fetch(
    url: &str,
    expected: Option<&str>,
    cache: &Cache,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Found, KernelError> {
    let image = scratch.join("release.iso");
    let download = disk::obtain(url, expected, &image, cache, watch)?;
    watch(Progress::Unpacking(url));
    let (kernel, tree) =
        read(&image, &download.sha256, scratch, cache).map_err(|source| KernelError::Set {
            path: download.file.clone(),
            source,
        })?;
    Ok(Found {
        origin: download.origin(url, expected),
        image: kernel,
        path: download.file,
        modules: None,
        tree: Some(tree),
    })
}

/// The kernel, and the folder with the libraries.
fn read(image: &Path, sha256: &str, scratch: &Path, cache: &Cache) -> Result<(Vec<u8>, PathBuf), SetError> {
    let mut volume = Volume::open(image).map_err(SetError::Unpack)?;
    let (folder, name) = KERNEL;
    let kernel = entries(&mut volume, folder)?
        .into_iter()
        .find_map(|(found, content)| match content {
            Content::File(extent) if found == name => Some(extent),
            Content::File(_) | Content::Folder(_) | Content::Link(_) => None,
        });
    let kernel = kernel.ok_or(SetError::Missing("boot/kernel/kernel"))?;
    let kernel = volume.read(kernel).map_err(SetError::Unpack)?;

    let place = cache.folder("trees")?.join(sha256);
    if place.is_dir() {
        return Ok((kernel, place));
    }
    let tree = scratch.join("tree");
    for folder in FOLDERS {
        let target = tree.join(folder);
        fs::create_dir_all(&target).map_err(CacheError::writing(&target))?;
        for (name, content) in entries(&mut volume, folder)? {
            if !name.contains(".so") || name.contains('/') {
                continue;
            }
            let file = target.join(&name);
            let written = match content {
                Content::File(extent) => {
                    let content = volume.read(extent).map_err(SetError::Unpack)?;
                    fs::write(&file, content)
                }
                Content::Link(to) => symlink(to, &file),
                Content::Folder(_) => Ok(()),
            };
            written.map_err(CacheError::writing(&file))?;
        }
    }
    if !tree.join(LINKER).is_file() {
        return Err(SetError::Missing(LINKER));
    }
    fs::rename(&tree, &place).map_err(CacheError::writing(&place))?;
    Ok((kernel, place))
}

/// The entries of a folder, or none if the image does not have it.
fn entries(volume: &mut Volume, folder: &str) -> Result<Vec<(String, Content)>, SetError> {
    let entries: io::Result<_> = volume.folder(folder);
    Ok(entries.map_err(SetError::Unpack)?.unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use bzip2::read::MultiBzDecoder;
    use tempfile::TempDir;

    use super::*;
    use crate::profile::PlatformProfile;

    /// A small image with the places of a release. It was written by xorriso 1.5.4, not by this crate:
    /// `xorriso -as mkisofs -R -o system.iso FOLDER`.
    const IMAGE: &[u8] = include_bytes!("testdata/system.iso.bz2");

    /// Writes the decompressed image to `folder` and returns its path.
    pub(in crate::kernel) fn image(folder: &Path) -> PathBuf {
        let mut bytes = Vec::new();
        MultiBzDecoder::new(IMAGE).read_to_end(&mut bytes).unwrap();
        let path = folder.join("system.iso");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Serves `content` to the next request, then nothing.
    fn serve(content: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/dfly.iso.bz2", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = BufReader::new(&stream).lines().map(Result::unwrap);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let length = content.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
            stream.write_all(content).unwrap();
        });
        url
    }

    #[test]
    fn kernel_and_libraries_of_a_downloaded_release_are_kept() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let (_, text) = crate::profile::GUESTS
            .iter()
            .find(|(name, _)| *name == "dragonfly-6.4")
            .unwrap();
        let mut profile = PlatformProfile::parse("dragonfly-6.4", text).unwrap();
        let crate::profile::Boot::Qemu(qemu) = &mut profile.boot;
        qemu.kernel = crate::profile::KernelSource::Iso {
            url: serve(IMAGE),
            sha256: None,
        };
        let kernel = crate::kernel::fetch(&profile, &cache, &mut |_| ()).unwrap();
        assert!(fs::read(&kernel.image).unwrap().starts_with(b"\x7fELF"));
        assert!(
            kernel.origin.contains("recorded at the first download"),
            "{}",
            kernel.origin
        );
        let tree = kernel.tree.unwrap();
        for (place, content) in [
            ("libexec/ld-elf.so.2", "linker"),
            ("usr/libexec/ld-elf.so.2", "linker"),
            ("lib/libc.so.8", "libc"),
            ("usr/lib/libpthread.so.0", "threads"),
        ] {
            assert_eq!(fs::read_to_string(tree.join(place)).unwrap(), content, "{place}");
        }
        assert!(!tree.join("usr/lib/libc.a").exists());
        // The server is gone, and the second time nothing is downloaded.
        assert_eq!(
            crate::kernel::fetch(&profile, &cache, &mut |_| ()).unwrap().tree,
            Some(tree)
        );
    }

    #[test]
    fn an_image_that_lacks_the_kernel_or_the_linker_leaves_no_tree() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let path = image(folder.path());
        let whole = fs::read(&path).unwrap();
        let without = |name: &[u8]| {
            let mut bytes = whole.clone();
            for at in 0..bytes.len() - name.len() {
                if &bytes[at..at + name.len()] == name {
                    bytes[at] = b'X';
                }
            }
            fs::write(&path, bytes).unwrap();
            let scratch = TempDir::new().unwrap();
            read(&path, "abc", scratch.path(), &cache)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(without(b"kernel"), "it has no boot/kernel/kernel");
        assert_eq!(without(b"ld-elf.so.2"), "it has no libexec/ld-elf.so.2");
        assert!(!folder.path().join("cache/trees/abc").exists());
    }
}
