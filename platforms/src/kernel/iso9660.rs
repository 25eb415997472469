//! Reads an ISO 9660 image with Rock Ridge: ECMA-119 for folders, SUSP (IEEE P1281) and RRIP (IEEE P1282) for names and
//! symbolic links.
//!
//! We read it ourselves, because a release image is some hundred megabytes and only a few folders of it are needed; the
//! crates for this format read no Rock Ridge or only whole images. Relocated folders (`CL`), which makers of images use
//! below the eighth level, are not followed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const SECTOR: u64 = 2048;
/// The sector of the first volume descriptor.
const VOLUME: u64 = 16;
/// Limits the length of a folder, which a damaged image could make any number.
const MAX_FOLDER: u64 = 16 << 20;
/// Limits the continuation areas of one entry, to end loops.
const MAX_AREAS: usize = 16;

/// Where a file or folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    sector: u64,
    bytes: u64,
}

/// What an entry of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Folder(Extent),
    File(Extent),
    /// A symbolic link and its target.
    Link(String),
}

/// An open image.
#[derive(Debug)]
pub(super) struct Volume {
    file: File,
    root: Extent,
}

impl Volume {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut volume = [0; SECTOR as usize];
        file.seek(SeekFrom::Start(VOLUME * SECTOR))?;
        file.read_exact(&mut volume)?;
        if !volume.starts_with(b"\x01CD001") {
            return Err(damaged("it is no ISO 9660 image"));
        }
        let root = extent(&volume[156..190])?;
        Ok(Self { file, root })
    }

    /// The names and contents of the folder at `path`, such as `usr/lib`. `None` if there is no such folder.
    pub(super) fn folder(&mut self, path: &str) -> io::Result<Option<Vec<(String, Content)>>> {
        let mut entries = self.entries(self.root)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match entries.into_iter().find(|(name, _)| name == part) {
                Some((_, Content::Folder(extent))) => entries = self.entries(extent)?,
                Some((_, Content::File(_) | Content::Link(_))) | None => return Ok(None),
            }
        }
        Ok(Some(entries))
    }

    /// Reads a file.
    pub(super) fn read(&mut self, extent: Extent) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(extent.sector * SECTOR))?;
        (&self.file).take(extent.bytes).read_to_end(&mut content)?;
        match content.len() as u64 == extent.bytes {
            true => Ok(content),
            false => Err(damaged("a file reaches beyond the end of the image")),
        }
    }

    fn entries(&mut self, folder: Extent) -> io::Result<Vec<(String, Content)>> {
        if folder.bytes > MAX_FOLDER {
            return Err(damaged("a folder is too long"));
        }
        let records = self.read(folder)?;
        let (mut at, mut entries) = (0, Vec::new());
        while let Some(&length) = records.get(at) {
            // The rest of a sector is empty when the next record does not fit.
            if length == 0 {
                at = (at + 1).next_multiple_of(SECTOR as usize);
                continue;
            }
            let record = records.get(at..at + usize::from(length));
            let record = record.ok_or_else(|| damaged("a record reaches beyond its folder"))?;
            at += usize::from(length);
            entries.extend(self.entry(record)?);
        }
        Ok(entries)
    }

    /// Reads a directory record (ECMA-119 9.1). `None` for the folder itself and its parent.
    fn entry(&mut self, record: &[u8]) -> io::Result<Option<(String, Content)>> {
        let extent = extent(record)?;
        let name_length = usize::from(record[32]);
        let name = record.get(33..33 + name_length);
        let name = name.ok_or_else(|| damaged("a name reaches beyond its record"))?;
        if matches!(name, [0 | 1]) {
            return Ok(None);
        }
        // A name of even length is followed by a byte of padding.
        let system_use = record.get((33 + name_length).next_multiple_of(2)..);
        let ridge = self.rock_ridge(system_use.unwrap_or_default().to_vec())?;
        let name = match ridge.name.is_empty() {
            true => String::from_utf8_lossy(name).into_owned(),
            false => ridge.name,
        };
        let is_folder = record[25] & 2 != 0;
        let content = match (ridge.target, is_folder) {
            (Some(target), _) => Content::Link(target),
            (None, true) => Content::Folder(extent),
            (None, false) => Content::File(extent),
        };
        Ok(Some((name, content)))
    }

    /// Collects the name and the link's target from system use entries and the areas that continue them.
    fn rock_ridge(&mut self, mut area: Vec<u8>) -> io::Result<RockRidge> {
        let mut found = RockRidge::default();
        for _ in 0..MAX_AREAS {
            let mut next = None;
            let mut rest = area.as_slice();
            while let [first, second, length, _version, ..] = *rest {
                let length = usize::from(length);
                if length < 4 || length > rest.len() {
                    break;
                }
                let data = &rest[4..length];
                match [first, second] {
                    // The first byte of both has flags.
                    [b'N', b'M'] => found.name += &text(data.get(1..)),
                    [b'S', b'L'] => found.add_target(data.get(1..).unwrap_or_default()),
                    // Sector, offset and length of the next area, each in both byte orders.
                    [b'C', b'E'] => next = Some([0, 8, 16].map(|at| number(data, at))),
                    [b'S', b'T'] => break,
                    _ => {}
                }
                rest = &rest[length..];
            }
            let Some([Some(sector), Some(offset), Some(bytes)]) = next else {
                return Ok(found);
            };
            let sectors = Extent {
                sector,
                bytes: (offset + bytes).min(MAX_FOLDER),
            };
            area = self.read(sectors)?.split_off(offset.min(sectors.bytes) as usize);
        }
        Err(damaged("the continuation areas of an entry have no end"))
    }
}

#[derive(Default)]
struct RockRidge {
    name: String,
    target: Option<String>,
    /// The last component of the target continues in the next one.
    continued: bool,
}

impl RockRidge {
    /// Adds the components of an `SL` entry (RRIP 4.1.3): flags, length, text.
    fn add_target(&mut self, mut components: &[u8]) {
        let target = self.target.get_or_insert_default();
        while let [flags, length, rest @ ..] = components {
            let (part, rest) = rest.split_at(usize::from(*length).min(rest.len()));
            if !self.continued && !target.is_empty() && !target.ends_with('/') {
                target.push('/');
            }
            // 1 continues in the next component, 2 is this folder, 4 its parent, 8 the root.
            match flags & 14 {
                2 => target.push('.'),
                4 => target.push_str(".."),
                8 => target.push('/'),
                _ => target.push_str(&String::from_utf8_lossy(part)),
            }
            self.continued = flags & 1 != 0;
            components = rest;
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// The extent of a directory record, which has at least 34 bytes.
fn extent(record: &[u8]) -> io::Result<Extent> {
    match (record.len() >= 34, number(record, 2), number(record, 10)) {
        (true, Some(sector), Some(bytes)) => Ok(Extent { sector, bytes }),
        _ => Err(damaged("a directory record is too short")),
    }
}

/// The little-endian half of a number in both byte orders (ECMA-119 7.3.3).
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*four).into())
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::iso::tests::image;

    #[test]
    fn names_folders_files_and_links_are_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut volume = Volume::open(&image(folder.path())).unwrap();
        let mut read = |path: &str| {
            let entries = volume.folder(path).unwrap().unwrap();
            let lines = entries.into_iter().map(|(name, content)| match content {
                Content::Folder(_) => format!("{path}/{name}/"),
                Content::Link(target) => format!("{path}/{name} -> {target}"),
                Content::File(extent) => {
                    let text = String::from_utf8(volume.read(extent).unwrap()).unwrap();
                    format!(
                        "{path}/{name}: {} bytes, {}",
                        text.len(),
                        text.lines().next().unwrap_or_default()
                    )
                }
            });
            lines.collect::<Vec<_>>()
        };
        let mut lines = Vec::new();
        for path in [
            "",
            "boot/kernel",
            "lib",
            "usr/lib",
            "usr/lib/thread",
            "usr/libexec",
            "many",
        ] {
            lines.extend(read(path));
        }
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(volume.folder("nowhere").unwrap(), None);
        assert_eq!(volume.folder("lib/libc.so.8").unwrap(), None);
    }

    #[test]
    fn a_damaged_image_is_an_error_and_never_a_panic() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = image(folder.path());
        let whole = std::fs::read(&path).unwrap();
        let mut errors = 0;
        // Each byte of the root folder's records and of what follows them, one at a time.
        let start = usize::try_from(Volume::open(&path).unwrap().root.sector * SECTOR).unwrap();
        for at in (start..start + 1200).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            std::fs::write(&path, bytes).unwrap();
            let read = Volume::open(&path).and_then(|mut volume| {
                volume.folder("usr/lib/thread")?;
                volume.folder("lib")
            });
            errors += usize::from(read.is_err());
        }
        assert!(errors > 0);
        std::fs::write(&path, &whole[..20 * SECTOR as usize]).unwrap();
        assert!(
            Volume::open(&path)
                .and_then(|mut volume| volume.folder("lib"))
                .is_err()
        );
        std::fs::write(&path, [0; 40_000]).unwrap();
        assert_eq!(
            Volume::open(&path).unwrap_err().to_string(),
            "it is no ISO 9660 image"
        );
    }
}
