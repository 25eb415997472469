//! Writes ISO 9660 with Rock Ridge: ECMA-119 for the volume, SUSP (IEEE P1281) and RRIP (IEEE P1282) for names and
//! permission bits.
//!
//! We write it ourselves, like the initramfs, because the same files must give the same bytes: the image's hash
//! identifies a saved state, and other programs put the time of day into the image. File identifiers on the ECMA-119
//! level are numbers, which are sorted and unique without any mangling. All guests read the names from Rock Ridge.

use std::collections::BTreeMap;

const SECTOR: usize = 2048;
/// The sector of the volume descriptor. The sixteen sectors before it are reserved for boot code and are empty.
const VOLUME: usize = 16;
/// The first sector of the little-endian path table, after the volume descriptor and its terminator.
const LITTLE_PATHS: usize = 18;

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

/// A folder under construction.
#[derive(Debug, Default)]
pub(super) struct Folder {
    mode: u32,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    Folder(Folder),
    File { mode: u32, content: Vec<u8> },
}

impl Folder {
    /// Adds an empty folder, or changes the mode of an existing one.
    pub(super) fn folder(&mut self, path: &str, mode: u32) {
        self.at(path).mode = mode;
    }

    /// Adds a regular file. Missing parent folders get mode 0755.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let file = Entry::File { mode, content };
        self.at(folder).entries.insert(name.to_owned(), file);
    }

    fn at(&mut self, path: &str) -> &mut Self {
        path.split('/')
            .filter(|name| !name.is_empty())
            .fold(self, |folder, name| {
                let new = || {
                    Entry::Folder(Self {
                        mode: 0o755,
                        ..Self::default()
                    })
                };
                match folder.entries.entry(name.to_owned()).or_insert_with(new) {
                    Entry::Folder(inner) => inner,
                    Entry::File { .. } => panic!("{path} leads through a file"),
                }
            })
    }
}

/// A folder with its position in the image.
struct Placed<'f> {
    folder: &'f Folder,
    parent: usize,
    /// Its number in the parent, as its identifier.
    name: String,
    sector: usize,
    bytes: usize,
}

/// Writes the image. Its length is a multiple of the sector size.
pub(super) fn image(root: &Folder) -> Vec<u8> {
    let mut folders = in_breadth(root);
    let paths: usize = folders
        .iter()
        .map(|folder| path_record(folder, false).len())
        .sum();
    let path_sectors = paths.div_ceil(SECTOR);
    let mut next = LITTLE_PATHS + 2 * path_sectors;
    for folder in &mut folders {
        folder.sector = next;
        next += folder.bytes / SECTOR;
    }
    let mut image = vec![0; next * SECTOR];
    let mut contents = Vec::new();
    for index in 0..folders.len() {
        let records = records(&folders, index, &mut next, &mut contents);
        put(&mut image, folders[index].sector, &records);
    }
    for (big, sector) in [(false, LITTLE_PATHS), (true, LITTLE_PATHS + path_sectors)] {
        let table: Vec<u8> = folders
            .iter()
            .flat_map(|folder| path_record(folder, big))
            .collect();
        put(&mut image, sector, &table);
    }
    let volume = volume(&folders[0], next, paths, path_sectors);
    put(&mut image, VOLUME, &volume);
    put(&mut image, VOLUME + 1, b"\xffCD001\x01");
    for content in contents {
        image.extend(content);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    image
}

/// The folders in breadth-first order, as the path table requires. The root is its own parent.
fn in_breadth(root: &Folder) -> Vec<Placed<'_>> {
    let place = |folder, parent, name| Placed {
        folder,
        parent,
        name,
        sector: 0,
        bytes: 0,
    };
    let mut folders = vec![place(root, 0, "\0".to_owned())];
    let mut index = 0;
    while index < folders.len() {
        let folder = folders[index].folder;
        for (number, entry) in folder.entries.values().enumerate() {
            if let Entry::Folder(inner) = entry {
                folders.push(place(inner, index, format!("{number:08}")));
            }
        }
        index += 1;
    }
    for index in 0..folders.len() {
        // The length of a directory does not depend on sectors.
        folders[index].bytes = records(&folders, index, &mut 0, &mut Vec::new()).len();
    }
    folders
}

/// The directory records of a folder. Assigns its files the sectors from `next` on, and adds their contents to
/// `contents`.
fn records<'f>(
    folders: &[Placed<'f>],
    index: usize,
    next: &mut usize,
    contents: &mut Vec<&'f [u8]>,
) -> Vec<u8> {
    let own = &folders[index];
    let parent = &folders[own.parent];
    let mut bytes = Vec::new();
    let mut dot = Vec::new();
    if index == 0 {
        // SUSP requires an `SP` entry here and an `ER` entry that announces Rock Ridge.
        dot.extend(b"SP\x07\x01\xbe\xef\x00");
    }
    dot.extend(permissions(FOLDER | mode_of(own.folder), 2));
    if index == 0 {
        dot.extend(b"ER\x12\x01\x0a\x00\x00\x01RRIP_1991A");
    }
    append(&mut bytes, &record(own.sector, own.bytes, 2, b"\0", &dot));
    let dot_dot = permissions(FOLDER | mode_of(parent.folder), 2);
    append(
        &mut bytes,
        &record(parent.sector, parent.bytes, 2, b"\x01", &dot_dot),
    );
    let mut inner = folders
        .iter()
        .filter(|folder| folder.parent == index && folder.is_not_the_root());
    for (number, (name, entry)) in own.folder.entries.iter().enumerate() {
        let (mode, links, sector, length, flags) = match entry {
            Entry::Folder(folder) => {
                let placed = inner.next().expect("each folder was placed");
                (FOLDER | mode_of(folder), 2, placed.sector, placed.bytes, 2)
            }
            Entry::File { mode, content } => {
                let sector = *next;
                *next += content.len().div_ceil(SECTOR);
                contents.push(content);
                (FILE | mode, 1, sector, content.len(), 0)
            }
        };
        let mut system_use = permissions(mode, links);
        system_use.extend([b'N', b'M', 5 + name.len() as u8, 1, 0]);
        system_use.extend(name.bytes());
        let identifier = match flags {
            2 => format!("{number:08}"),
            _ => format!("{number:08}.;1"),
        };
        append(
            &mut bytes,
            &record(sector, length, flags, identifier.as_bytes(), &system_use),
        );
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

impl Placed<'_> {
    fn is_not_the_root(&self) -> bool {
        self.name != "\0"
    }
}

/// A folder's mode. The root's is never set and counts as 0755.
fn mode_of(folder: &Folder) -> u32 {
    if folder.mode == 0 { 0o755 } else { folder.mode }
}

/// Appends a directory record. A record must not cross the end of a sector.
fn append(bytes: &mut Vec<u8>, record: &[u8]) {
    if bytes.len() % SECTOR + record.len() > SECTOR {
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    }
    bytes.extend(record);
}

/// A directory record, ECMA-119 9.1.
fn record(sector: usize, length: usize, flags: u8, name: &[u8], system_use: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(both(sector));
    bytes.extend(both(length));
    bytes.extend(RECORDING_TIME);
    bytes.extend([flags, 0, 0, 1, 0, 0, 1, name.len() as u8]);
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend(system_use);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes[0] = u8::try_from(bytes.len()).expect("names of an image are short");
    bytes
}

/// The recording time of every file: 2026-01-01 00:00:00 UTC.
const RECORDING_TIME: [u8; 7] = [126, 1, 1, 0, 0, 0, 0];

/// RRIP 4.1.1, `PX`: mode, links, owner, group.
fn permissions(mode: u32, links: usize) -> Vec<u8> {
    let mut bytes = b"PX\x24\x01".to_vec();
    for number in [mode as usize, links, 0, 0] {
        bytes.extend(both(number));
    }
    bytes
}

/// A number in both byte orders, ECMA-119 7.3.3.
fn both(number: usize) -> [u8; 8] {
    let number = u32::try_from(number).expect("an image is smaller than 4 GiB");
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A path table record, ECMA-119 9.4.
fn path_record(folder: &Placed<'_>, big: bool) -> Vec<u8> {
    let name = folder.name.as_bytes();
    let (sector, parent) = (folder.sector as u32, folder.parent as u16 + 1);
    let mut bytes = vec![name.len() as u8, 0];
    if big {
        bytes.extend(sector.to_be_bytes());
        bytes.extend(parent.to_be_bytes());
    } else {
        bytes.extend(sector.to_le_bytes());
        bytes.extend(parent.to_le_bytes());
    }
    bytes.extend(name);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// The primary volume descriptor, ECMA-119 8.4.
fn volume(root: &Placed<'_>, sectors: usize, paths: usize, path_sectors: usize) -> Vec<u8> {
    let mut bytes = b"\x01CD001\x01\x00".to_vec();
    bytes.extend([b' '; 32]);
    bytes.extend(format!("{:32}", "REUSESPEC").bytes());
    bytes.extend([0; 8]);
    bytes.extend(both(sectors));
    bytes.extend([0; 32]);
    // One volume, number one; sectors of 2048 bytes.
    bytes.extend([1, 0, 0, 1, 1, 0, 0, 1, 0, 8, 8, 0]);
    bytes.extend(both(paths));
    bytes.extend((LITTLE_PATHS as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(((LITTLE_PATHS + path_sectors) as u32).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(record(root.sector, root.bytes, 2, b"\0", &[]));
    // Set, publisher, preparer, application and three file names: empty.
    bytes.extend([b' '; 128 * 4 + 37 * 3]);
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0");
    }
    bytes.extend([1, 0]);
    bytes
}

fn put(image: &mut [u8], sector: usize, bytes: &[u8]) {
    image[sector * SECTOR..][..bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests;
