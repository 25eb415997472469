//! Reads images back by the rules of the three standards, without the code that wrote them.

use super::*;

fn number(bytes: &[u8]) -> usize {
    let little = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(little, u32::from_be_bytes(bytes[4..8].try_into().unwrap()));
    little as usize
}

/// Adds mode, length and path of every file below a directory record to `found`.
fn walk(image: &[u8], record: &[u8], path: &str, found: &mut Vec<String>) {
    let (start, length) = (number(&record[2..]) * SECTOR, number(&record[10..]));
    let folder = &image[start..start + length];
    let mut at = 0;
    while at < folder.len() {
        let size = usize::from(folder[at]);
        if size == 0 {
            at = (at + 1).next_multiple_of(SECTOR);
            continue;
        }
        assert!(
            at % SECTOR + size <= SECTOR,
            "a record crosses the end of a sector"
        );
        let inner = &folder[at..at + size];
        let name_end = 33 + usize::from(inner[32]);
        let mut system_use = &inner[name_end.next_multiple_of(2)..];
        let (mut name, mut mode) = (String::new(), 0);
        while system_use.len() > 3 {
            let (entry, rest) = system_use.split_at(usize::from(system_use[2]));
            match &entry[..2] {
                b"NM" => name = String::from_utf8(entry[5..].to_vec()).unwrap(),
                b"PX" => mode = number(&entry[4..]),
                b"SP" => assert!(path.is_empty() && inner[33] == 0),
                b"ER" => assert_eq!(&entry[8..], b"RRIP_1991A"),
                other => panic!("unknown entry {other:?}"),
            }
            system_use = rest;
        }
        at += size;
        if name.is_empty() {
            continue;
        }
        let path = format!("{path}/{name}");
        found.push(format!("{mode:07o} {:>5} {path}", number(&inner[10..])));
        if inner[25] & 2 != 0 {
            walk(image, inner, &path, found);
        }
    }
}

fn contents(image: &[u8]) -> Vec<String> {
    let volume = &image[16 * SECTOR..17 * SECTOR];
    assert_eq!(&volume[..6], b"\x01CD001");
    assert_eq!(number(&volume[80..]), image.len() / SECTOR, "the volume's size");
    let mut found = Vec::new();
    walk(image, &volume[156..190], "", &mut found);
    found
}

fn root() -> Folder {
    let mut root = Folder::default();
    root.folder("dev", 0o755);
    root.folder("tmp", 0o1777);
    root.file("/agent", 0o755, vec![7; 5000]);
    root.file("libexec/ld-elf.so.1", 0o555, b"linker".to_vec());
    root.file("lib/libc.so.7", 0o555, b"libc".to_vec());
    root.file("lib/empty", 0o444, Vec::new());
    root
}

#[test]
fn names_modes_and_lengths_are_read_back() {
    insta::assert_snapshot!(contents(&image(&root())).join("\n"));
}

#[test]
fn the_same_files_give_the_same_whole_sectors() {
    let image_of = || image(&root());
    assert_eq!(image_of(), image_of());
    assert_eq!(image_of().len() % SECTOR, 0);
}

#[test]
fn a_folder_longer_than_a_sector_keeps_all_its_names() {
    let mut root = Folder::default();
    for index in 0..200 {
        root.file(&format!("many/file-{index:03}"), 0o644, vec![0; index]);
    }
    let found = contents(&image(&root));
    assert_eq!(found.len(), 201);
    assert!(found[200].ends_with("199 /many/file-199"), "{}", found[200]);
}

#[test]
fn both_path_tables_list_every_folder_with_its_parent() {
    let image = image(&root());
    let volume = &image[16 * SECTOR..];
    let length = number(&volume[132..]);
    let little = u32::from_le_bytes(volume[140..144].try_into().unwrap()) as usize * SECTOR;
    let big = u32::from_be_bytes(volume[148..152].try_into().unwrap()) as usize * SECTOR;
    let read = |start: usize, big: bool| {
        let (mut at, mut folders) = (start, Vec::new());
        while at < start + length {
            let record = &image[at..];
            let pair = record[6..8].try_into().unwrap();
            let four = record[2..6].try_into().unwrap();
            folders.push(match big {
                true => (u32::from_be_bytes(four), u16::from_be_bytes(pair)),
                false => (u32::from_le_bytes(four), u16::from_le_bytes(pair)),
            });
            at += (8 + usize::from(record[0])).next_multiple_of(2);
        }
        folders
    };
    let folders = read(little, false);
    assert_eq!(folders, read(big, true));
    let parents: Vec<_> = folders.iter().map(|(_, parent)| *parent).collect();
    assert_eq!(
        parents,
        [1, 1, 1, 1, 1],
        "dev, lib, libexec and tmp are in the root"
    );
}
