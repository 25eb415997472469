//! The Multiboot loader places everything where a DragonFly kernel expects it. The kernel of this test writes its memory to
//! the first serial port, and the test reads that as DragonFly's kernel would.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use reusespec_platforms::agents;
use reusespec_platforms::qemu::find_program;

use crate::setup::left_out;

/// Where the kernel is linked, and where it is loaded.
const LINKED: u64 = 0xffff_ffff_8000_0000;
const LOADED: u64 = 0x20_0000;

/// Writes the second and third word of the stack to the first serial port, then the memory from 2 MiB to the third word,
/// and resets the machine.
const CODE: &[u8] = &[
    // mov ebx, [rsp + 8]; lea rsi, [rsp + 4]; mov ecx, 8; call print
    0x8b, 0x5c, 0x24, 8, 0x48, 0x8d, 0x74, 0x24, 4, 0xb9, 8, 0, 0, 0, 0xe8, 24, 0, 0, 0,
    // mov esi, LOADED; mov ecx, ebx; sub ecx, esi; call print
    0xbe, 0, 0, 0x20, 0, 0x89, 0xd9, 0x29, 0xf1, 0xe8, 10, 0, 0, 0,
    // mov dx, 0xcf9; mov al, 6; out dx, al; hlt; jmp hlt
    0x66, 0xba, 0xf9, 0x0c, 0xb0, 6, 0xee, 0xf4, 0xeb, 0xfd,
    // print: mov dx, 0x3f8; 1: lodsb; out dx, al; dec ecx; jnz 1b; ret
    0x66, 0xba, 0xf8, 3, 0xac, 0xee, 0xff, 0xc9, 0x75, 0xfa, 0xc3,
];

const DATA: &[u8] = b"data";
const DATA_AT: u64 = 0x3000;
const DATA_IN_MEMORY: u64 = 0x1804;
const SYMBOLS: &[u8] = &[7; 24];
const NAMES: &[u8] = b"\0names\0";
const IMAGE: &[u8] = b"the root image";

/// An ELF file with two segments and a symbol table.
fn kernel() -> Vec<u8> {
    let quads = |values: &[u64]| {
        values
            .iter()
            .copied()
            .flat_map(u64::to_le_bytes)
            .collect::<Vec<_>>()
    };
    let longs = |values: &[u32]| {
        values
            .iter()
            .copied()
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<_>>()
    };
    let segments_at = 64;
    let sections_at = segments_at + 2 * 56;
    let code_at = sections_at + 3 * 64;
    let data_at = code_at + CODE.len() as u64;
    let symbols_at = data_at + DATA.len() as u64;
    let names_at = symbols_at + SYMBOLS.len() as u64;

    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    elf.extend(quads(&[LINKED + LOADED + code_at, segments_at, sections_at]));
    elf.extend(longs(&[0]));
    elf.extend([64_u16, 56, 2, 64, 3, 0].into_iter().flat_map(u16::to_le_bytes));
    let end = code_at + CODE.len() as u64;
    // PT_LOAD: the file's beginning with the code, and the data.
    for (flags, offset, address, in_file, in_memory) in [
        (5, 0, LOADED, end, end),
        (6, data_at, LOADED + DATA_AT, DATA.len() as u64, DATA_IN_MEMORY),
    ] {
        elf.extend(longs(&[1, flags]));
        let address = LINKED + address;
        elf.extend(quads(&[offset, address, address, in_file, in_memory, 0x1000]));
    }
    // No section; SHT_SYMTAB, whose strings are in section 2; SHT_STRTAB.
    for (kind, offset, length, link) in [
        (0, 0, 0, 0),
        (2, symbols_at, SYMBOLS.len() as u64, 2),
        (3, names_at, NAMES.len() as u64, 0),
    ] {
        elf.extend(longs(&[0, kind]));
        elf.extend(quads(&[0, 0, offset, length]));
        elf.extend(longs(&[link, 0]));
        elf.extend(quads(&[8, 0]));
    }
    for part in [CODE, DATA, SYMBOLS, NAMES] {
        elf.extend(part);
    }
    elf
}

/// What the kernel found: the address of the records, the end of used memory, and the memory from [`LOADED`] on.
struct Found {
    records: u64,
    end: u64,
    memory: Vec<u8>,
}

impl Found {
    fn at(&self, address: u64, length: usize) -> &[u8] {
        &self.memory[usize::try_from(address - LOADED).expect("the address is in the dump")..][..length]
    }

    fn quad(&self, address: u64) -> u64 {
        u64::from_le_bytes(self.at(address, 8).try_into().expect("eight bytes"))
    }

    /// The records, as type and data.
    fn records(&self) -> Vec<(u32, &[u8])> {
        let (mut at, mut records) = (self.records, Vec::new());
        loop {
            let head = self.quad(at);
            let (kind, length) = (head as u32, head >> 32);
            if head == 0 {
                return records;
            }
            records.push((kind, self.at(at + 8, length as usize)));
            at += (8 + length).next_multiple_of(8);
        }
    }
}

fn boot(loader: &Path, kernel: &[u8], environment: &str) -> Vec<u8> {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("the folder can be written");
        path.display().to_string()
    };
    let (kernel, image, console) = (file("kernel", kernel), file("image", IMAGE), file("console", b""));
    let mut qemu = Command::new(find_program("x86_64").expect("it was found before"));
    qemu.args([
        "-M",
        "q35",
        "-accel",
        "tcg",
        "-m",
        "256",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
    ]);
    qemu.args([
        "-display",
        "none",
        "-append",
        environment,
        "-serial",
        &format!("file:{console}"),
    ]);
    qemu.arg("-kernel")
        .arg(loader)
        .args(["-initrd", &format!("{kernel},{image}")]);
    let status = qemu.stdin(Stdio::null()).status().expect("QEMU can be started");
    assert!(status.success(), "{status}");
    fs::read(console).expect("QEMU wrote the console")
}

/// The loader, if it is built and QEMU is installed.
fn loader() -> Option<std::path::PathBuf> {
    find_program("x86_64")?;
    let found = agents::find_loader("x86_64-unknown-dragonfly");
    found
        .inspect_err(|error| left_out("the loader", &error.to_string()))
        .ok()
}

#[test]
fn a_kernel_finds_its_parts_where_it_expects_them() {
    let Some(loader) = loader() else { return };
    let text = boot(&loader, &kernel(), "one=1 no-variable two=a=b");
    let (head, memory) = text.split_at(8);
    let word = |at: usize| u64::from(u32::from_le_bytes(head[at..at + 4].try_into().unwrap()));
    let found = Found {
        records: word(0),
        end: word(4),
        memory: memory.to_vec(),
    };
    assert_eq!(found.end, LOADED + memory.len() as u64);

    assert_eq!(found.at(LOADED, 4), b"\x7fELF");
    assert_eq!(found.at(LOADED + DATA_AT, 4), DATA);
    let rest = (DATA_IN_MEMORY - 4) as usize;
    assert!(found.at(LOADED + DATA_AT + 4, rest).iter().all(|&byte| byte == 0));

    let records = found.records();
    let kinds: Vec<_> = records.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            1, 2, 3, 4, 0x8007, 0x8006, 0x8003, 0x8004, 0x9001, 0x8008, 1, 2, 3, 4
        ]
    );
    let number = |index: usize| u64::from_le_bytes(records[index].1.try_into().unwrap());
    assert_eq!(
        (records[0].1, records[1].1),
        (&b"kernel\0"[..], &b"elf kernel\0"[..])
    );
    assert_eq!((number(2), number(3)), (LOADED, DATA_AT + DATA_IN_MEMORY));
    assert_eq!(number(4), 0x1000, "RB_SERIAL");
    let environment = b"one=1\0two=a=b\0\0";
    assert_eq!(found.at(number(5), environment.len()), environment);

    let symbols = number(6);
    assert_eq!(found.quad(symbols), SYMBOLS.len() as u64);
    assert_eq!(found.at(symbols + 8, SYMBOLS.len()), SYMBOLS);
    let names = symbols + 8 + SYMBOLS.len() as u64;
    assert_eq!(found.quad(names), NAMES.len() as u64);
    assert_eq!(found.at(names + 8, NAMES.len()), NAMES);
    assert_eq!(number(7), (names + 8 + NAMES.len() as u64).next_multiple_of(8));

    let map = records[8].1;
    assert!(
        map.len().is_multiple_of(20) && map.len() >= 40 && map[..8] == [0; 8],
        "{map:?}"
    );
    assert_eq!(number(9), found.end);
    assert_eq!(
        (records[10].1, records[11].1),
        (&b"root.iso\0"[..], &b"mfs_root\0"[..])
    );
    assert_eq!(number(12) % 4096, 0);
    assert_eq!(found.at(number(12), IMAGE.len()), IMAGE);
    assert_eq!(number(13), IMAGE.len() as u64);
}

#[test]
fn what_cannot_be_loaded_is_named_on_the_console() {
    let Some(loader) = loader() else { return };
    let text = |kernel: &[u8]| String::from_utf8(boot(&loader, kernel, "")).unwrap();
    assert_eq!(
        text(b"#!/bin/sh\nno kernel, but long enough for a header of 64 bytes....."),
        "loader: the first module is no ELF kernel for x86_64\n"
    );
    let mut huge = kernel();
    // The second segment takes 128 MiB of memory.
    huge[64 + 56 + 40..64 + 56 + 48].copy_from_slice(&(128_u64 << 20).to_le_bytes());
    assert_eq!(
        text(&huge),
        "loader: the kernel and the root image do not fit below 128 MiB\n"
    );
}
