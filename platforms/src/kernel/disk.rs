//! Images of complete systems on a disk or CD: downloads, verifies and decompresses them once. Guests never write to
//! them.
//!
//! An image is too large to be hashed at each start. So a manifest beside it has its length and the hash of the
//! download it was made from. Blocks of zeroes are not written: a file system of six gigabytes is mostly holes.
//!
//! Some publishers give no SHA-256. Then the hash of the first download that can be decompressed is recorded, and every
//! later download must have the same. A profile can take the recorded hash as its `sha256`. The price is that the first
//! download is trusted.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bzip2::read::MultiBzDecoder;
use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};

use super::{Kernel, KernelError, Progress, Watch, pinned};
use crate::cache::{Cache, CacheError, sha256};

/// The size of a read and a write, in bytes. A hole in the image is a multiple of it.
const BLOCK: usize = 1 << 16;

/// Why a downloaded system cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The compressed data is damaged.
    #[error("cannot decompress it")]
    Damaged(#[source] io::Error),
    /// The image cannot be written.
    #[error(transparent)]
    Disk(#[from] CacheError),
}

/// The manifest beside an image.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The SHA-256 of the downloaded file.
    sha256: String,
    /// The length of the image.
    bytes: u64,
}

/// The paths of the image for this URL and of its manifest.
fn paths(url: &str, cache: &Cache) -> (PathBuf, PathBuf) {
    let stem = cache.root().join("images").join(&sha256(url.as_bytes())[..16]);
    (stem.with_extension("img"), stem.with_extension("json"))
}

/// The image, if it is in the cache, complete, and made from the expected download.
pub(super) fn cached(url: &str, expected: Option<&str>, cache: &Cache) -> Option<Kernel> {
    let (image, manifest) = paths(url, cache);
    let manifest: Manifest = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    let right = expected.is_none_or(|expected| expected.eq_ignore_ascii_case(&manifest.sha256));
    let whole = fs::metadata(&image).is_ok_and(|meta| meta.len() == manifest.bytes);
    (right && whole).then(|| Kernel {
        release: String::new(),
        origin: origin(url, expected, &manifest.sha256),
        image,
        modules: Vec::new(),
        virtio_console: false,
        tree: None,
        sha256: manifest.sha256,
    })
}

/// Where an image comes from, for messages.
fn origin(url: &str, expected: Option<&str>, sha256: &str) -> String {
    match expected {
        Some(_) => url.to_owned(),
        None => format!("{url} (sha256 {sha256}, recorded at the first download)"),
    }
}

/// A verified download that has been decompressed.
pub(super) struct Download {
    /// The downloaded file.
    pub(super) file: PathBuf,
    /// Its SHA-256.
    pub(super) sha256: String,
    /// The length of the image that was made from it.
    bytes: u64,
}

impl Download {
    /// Where it comes from, for messages.
    pub(super) fn origin(&self, url: &str, expected: Option<&str>) -> String {
        origin(url, expected, &self.sha256)
    }
}

/// Downloads and decompresses the image.
pub(super) fn fetch(
    url: &str,
    expected: Option<&str>,
    cache: &Cache,
    watch: Watch<'_>,
) -> Result<Kernel, KernelError> {
    let (image, manifest) = paths(url, cache);
    cache.folder("images")?;
    let Download { sha256, bytes, .. } = obtain(url, expected, &image, cache, watch)?;
    let text = serde_json::to_vec(&Manifest { sha256, bytes }).expect("a manifest is plain data");
    cache.write(manifest, &text)?;
    cached(url, expected, cache).ok_or_else(|| KernelError::Read {
        path: image,
        source: io::Error::other("it was damaged between writing and reading"),
    })
}

/// Downloads `url`, verifies it, and decompresses it into `image`.
pub(super) fn obtain(
    url: &str,
    expected: Option<&str>,
    image: &Path,
    cache: &Cache,
    watch: Watch<'_>,
) -> Result<Download, KernelError> {
    let folder = cache.folder("downloads")?;
    let (file, found) =
        pinned::fetch(url, expected, &folder, pinned::IDLE_TIMEOUT, watch).map_err(|source| {
            KernelError::Download {
                url: url.to_owned(),
                source,
            }
        })?;
    let unusable = |source| {
        // Without a published hash the download may have been damaged on the way. It must not be recorded as good.
        if let (DiskError::Damaged(_), None) = (&source, expected) {
            let _ = fs::remove_file(pinned::record(&file));
            let _ = fs::remove_file(&file);
        }
        KernelError::Disk {
            path: file.clone(),
            source,
        }
    };
    let bytes = decompress(url, &file, image, watch).map_err(unusable)?;
    if expected.is_none() {
        cache.write(pinned::record(&file), found.as_bytes())?;
    }
    Ok(Download {
        file,
        sha256: found,
        bytes,
    })
}

/// Decompresses `file` into `image` and returns the image's length. It is written under another name first, so that an
/// incomplete image is never used.
fn decompress(url: &str, file: &Path, image: &Path, watch: Watch<'_>) -> Result<u64, DiskError> {
    let total = fs::metadata(file).map_err(DiskError::Damaged)?.len();
    let counted = Counted {
        file: File::open(file).map_err(DiskError::Damaged)?,
        read: 0,
    };
    let part = image.with_extension("part");
    let mut out = File::create(&part).map_err(CacheError::writing(&part))?;
    let mut stream: Stream = match url.rsplit_once('.').map(|(_, ending)| ending) {
        Some("xz") => Stream::Xz(Box::new(XzReader::new(counted, true))),
        Some("bz2") => Stream::Bzip2(MultiBzDecoder::new(counted)),
        _ => Stream::Plain(counted),
    };
    let (mut block, mut bytes) = (vec![0; BLOCK], 0);
    loop {
        let count = fill(&mut stream, &mut block).map_err(DiskError::Damaged)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        let written = match block[..count].iter().all(|byte| *byte == 0) {
            true => out.seek(SeekFrom::Current(count as i64)).map(drop),
            false => out.write_all(&block[..count]),
        };
        written.map_err(CacheError::writing(&part))?;
        watch(Progress::Decompressing(
            url,
            stream.read_so_far() as f32 / total.max(1) as f32,
        ));
    }
    // Seeking past the end does not extend the file.
    out.set_len(bytes).map_err(CacheError::writing(&part))?;
    fs::rename(&part, image).map_err(CacheError::writing(image))?;
    Ok(bytes)
}

/// A file that counts the bytes read from it, for the progress.
struct Counted {
    file: File,
    read: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

enum Stream {
    Plain(Counted),
    Xz(Box<XzReader<Counted>>),
    Bzip2(MultiBzDecoder<Counted>),
}

impl Stream {
    fn read_so_far(&self) -> u64 {
        match self {
            Self::Plain(counted) => counted.read,
            Self::Xz(reader) => reader.inner().read,
            Self::Bzip2(decoder) => decoder.get_ref().read,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(counted) => counted.read(buffer),
            Self::Xz(reader) => reader.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}

/// Reads until the buffer is full or the stream ends. Returns the number of bytes.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use lzma_rust2::{XzOptions, XzWriter};
    use tempfile::TempDir;

    use super::*;

    /// An image with data at both ends and a hole between them.
    fn system() -> Vec<u8> {
        let mut bytes = vec![0; 40 * BLOCK + 77];
        bytes[..4].copy_from_slice(b"boot");
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(b"tail");
        bytes
    }

    fn packed(name: &str, folder: &Path) -> PathBuf {
        let bytes = match name.rsplit_once('.').unwrap().1 {
            "xz" => {
                let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
                writer.write_all(&system()).unwrap();
                writer.finish().unwrap()
            }
            "bz2" => {
                let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                writer.write_all(&system()).unwrap();
                writer.finish().unwrap()
            }
            _ => system(),
        };
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn each_format_is_decompressed_with_holes_and_progress() {
        for name in ["system.img", "system.raw.xz", "system.iso.bz2"] {
            let folder = TempDir::new().unwrap();
            let (file, image) = (packed(name, folder.path()), folder.path().join("image"));
            let mut parts = Vec::new();
            let bytes = decompress(name, &file, &image, &mut |progress| {
                if let Progress::Decompressing(_, part) = progress {
                    parts.push(part);
                }
            });
            assert_eq!(bytes.unwrap(), system().len() as u64);
            assert_eq!(fs::read(&image).unwrap(), system(), "{name}");
            let blocks = fs::metadata(&image).unwrap().blocks();
            assert!(
                blocks * 512 < system().len() as u64 / 2,
                "{name} takes {blocks} blocks"
            );
            assert!(
                parts.is_sorted() && parts.last() == Some(&1.0),
                "{name}: {parts:?}"
            );
        }
    }

    #[test]
    fn a_truncated_download_leaves_no_image() {
        let folder = TempDir::new().unwrap();
        let file = packed("system.raw.xz", folder.path());
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let image = folder.path().join("image");
        let error = decompress("system.raw.xz", &file, &image, &mut |_| ()).unwrap_err();
        assert!(matches!(error, DiskError::Damaged(_)), "{error}");
        assert!(!image.exists());
    }

    #[test]
    fn an_image_of_another_download_or_length_is_not_used() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let url = "http://nowhere/system.img";
        let (image, manifest) = paths(url, &cache);
        cache.folder("images").unwrap();
        fs::write(&image, "system").unwrap();
        fs::write(&manifest, r#"{"sha256":"ab","bytes":6}"#).unwrap();
        let found = cached(url, Some("AB"), &cache).unwrap();
        assert_eq!(found.origin, url);
        let recorded = cached(url, None, &cache).unwrap().origin;
        assert!(recorded.contains("sha256 ab, recorded"), "{recorded}");
        assert!(cached(url, Some("cd"), &cache).is_none());
        fs::write(&image, "cut").unwrap();
        assert!(cached(url, None, &cache).is_none());
    }

    #[test]
    fn only_a_download_that_decompresses_is_recorded() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        // A file that is already in the cache is not requested.
        let url = "http://nowhere/system.raw.xz";
        let file = cache
            .folder("downloads")
            .unwrap()
            .join(pinned::file_name(url, None));
        fs::write(&file, "a page that says there is no such file").unwrap();
        let error = fetch(url, None, &cache, &mut |_| ()).unwrap_err();
        assert!(
            matches!(
                error,
                KernelError::Disk {
                    source: DiskError::Damaged(_),
                    ..
                }
            ),
            "{error}"
        );
        assert!(!file.exists() && !pinned::record(&file).exists());
        fs::rename(packed("system.raw.xz", folder.path()), &file).unwrap();
        let kernel = fetch(url, None, &cache, &mut |_| ()).unwrap();
        assert_eq!(fs::read_to_string(pinned::record(&file)).unwrap(), kernel.sha256);
    }
}
