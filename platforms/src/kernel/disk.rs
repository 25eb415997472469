//! A whole system on a disk or CD: downloaded, checked, decompressed once, and then only ever read.
//!
//! The image is too large to be hashed at each start, so what is beside it says how long it has to be, and which download
//! it was made from. Blocks of zeroes are not written: a file system of six gigabytes is mostly holes.
//!
//! Some publishers give no hash that is worth anything. Then the first download that can be decompressed is recorded, and
//! every later one must be the same; the record is what a profile can be given as its `sha256`. The price is that the first
//! one is believed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bzip2::read::MultiBzDecoder;
use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};

use super::{Kernel, KernelError, Progress, Watch, pinned};
use crate::cache::{Cache, CacheError, sha256};

/// What is read and written at once; a hole is a whole number of these.
const BLOCK: usize = 1 << 16;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The compressed data is damaged.
    #[error("cannot decompress it")]
    Damaged(#[source] io::Error),
    /// The disk of this machine.
    #[error(transparent)]
    Disk(#[from] CacheError),
}

/// What is known about an image, beside it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// Of the file that was downloaded.
    sha256: String,
    /// Of the image.
    bytes: u64,
}

/// Where the image of this address is in the cache, and the note on it.
fn places(url: &str, cache: &Cache) -> (PathBuf, PathBuf) {
    let stem = cache.root().join("images").join(&sha256(url.as_bytes())[..16]);
    (stem.with_extension("img"), stem.with_extension("json"))
}

/// The image, if it is here and made from the right file.
pub(super) fn cached(url: &str, expected: Option<&str>, cache: &Cache) -> Option<Kernel> {
    let (image, note) = places(url, cache);
    let note: Note = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    let right = expected.is_none_or(|expected| expected.eq_ignore_ascii_case(&note.sha256));
    let whole = fs::metadata(&image).is_ok_and(|meta| meta.len() == note.bytes);
    (right && whole).then(|| Kernel {
        release: String::new(),
        origin: match expected {
            Some(_) => url.to_owned(),
            None => format!(
                "{url} (sha256 {}, recorded when it was first downloaded)",
                note.sha256
            ),
        },
        image,
        modules: Vec::new(),
        virtio_console: false,
        tree: None,
        sha256: note.sha256,
    })
}

/// Downloads and decompresses it.
pub(super) fn fetch(
    url: &str,
    expected: Option<&str>,
    cache: &Cache,
    watch: Watch<'_>,
) -> Result<Kernel, KernelError> {
    let folder = cache.folder("downloads")?;
    let (file, found) =
        pinned::fetch_recorded(url, expected, &folder, pinned::SILENCE, watch).map_err(|source| {
            KernelError::Download {
                url: url.to_owned(),
                source,
            }
        })?;
    let unusable = |source| {
        // What nobody published a hash of may have been damaged on its way, and a hash recorded of that is worth nothing.
        if let (DiskError::Damaged(_), None) = (&source, expected) {
            let _ = fs::remove_file(pinned::record(&file));
            let _ = fs::remove_file(&file);
        }
        KernelError::Disk {
            path: file.clone(),
            source,
        }
    };
    let (image, note) = places(url, cache);
    cache.folder("images")?;
    let bytes = decompress(url, &file, &image, watch).map_err(unusable)?;
    if expected.is_none() {
        cache.write(pinned::record(&file), found.as_bytes())?;
    }
    let text = serde_json::to_vec(&Note { sha256: found, bytes }).expect("a note is plain data");
    cache.write(note, &text)?;
    cached(url, expected, cache).ok_or_else(|| KernelError::Read {
        path: image,
        source: io::Error::other("it was damaged between writing and reading"),
    })
}

/// Writes the image under another name first, so that one that was cut short is never used.
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
    // A hole at the end has to be made.
    out.set_len(bytes).map_err(CacheError::writing(&part))?;
    fs::rename(&part, image).map_err(CacheError::writing(image))?;
    Ok(bytes)
}

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

/// As much as there is, up to the buffer's length.
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

    /// Something at both ends, and a hole between.
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
    fn what_is_packed_in_either_way_is_unpacked_with_its_holes_and_its_progress() {
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
    fn an_archive_that_is_cut_short_leaves_no_image() {
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
    fn an_image_of_another_download_or_another_length_is_none() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let url = "http://nowhere/system.img";
        let (image, note) = places(url, &cache);
        cache.folder("images").unwrap();
        fs::write(&image, "system").unwrap();
        fs::write(&note, r#"{"sha256":"ab","bytes":6}"#).unwrap();
        let found = cached(url, Some("AB"), &cache).unwrap();
        assert_eq!(found.origin, url);
        let recorded = cached(url, None, &cache).unwrap().origin;
        assert!(recorded.contains("sha256 ab, recorded"), "{recorded}");
        assert!(cached(url, Some("cd"), &cache).is_none());
        fs::write(&image, "cut").unwrap();
        assert!(cached(url, None, &cache).is_none());
    }

    #[test]
    fn a_first_download_is_recorded_when_it_was_decompressed_and_a_damaged_one_is_no_dead_end() {
        let folder = TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        // Nobody is asked for a file that is there.
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
