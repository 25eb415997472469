//! Reads from an ELF file's headers for which machine and system it is built, and which libraries it needs.
//!
//! It uses the crate `object` instead of file(1) or readelf(1), whose output differs between machines.

use std::fmt;

use object::elf::{DT_NEEDED, EM_386, EM_AARCH64, EM_RISCV, EM_S390, EM_X86_64, NT_GNU_ABI_TAG, PT_INTERP};
use object::read::elf::{Dyn, ElfFile32, ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, FileKind};

/// What the headers of an ELF file say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executable {
    /// The machine, as the first part of a Rust target: `x86_64`, `riscv64`. (`riscv64gc` is `riscv64` here.)
    pub machine: String,
    /// `EI_OSABI`: 0 for none, 3 for Linux, 9 for FreeBSD.
    pub os_abi: u8,
    /// The run-time linker (`PT_INTERP`); `None` for a static program.
    pub interpreter: Option<String>,
    /// The shared libraries it needs (`DT_NEEDED`), in the file's order.
    pub libraries: Vec<String>,
    /// The name in the ABI note: `FreeBSD`, `DragonFly`, `GNU`.
    pub vendor: Option<String>,
    /// The system's version in the ABI note, such as 1400500 for a FreeBSD 14.
    pub release: Option<u32>,
    /// Whether functions run before `main` (`.init_array` is not empty).
    pub constructors: bool,
}

impl Executable {
    /// Reads the headers of an ELF file.
    ///
    /// # Errors
    /// A predicate such as "is not an ELF file", when the file is no ELF file or its tables point outside of it.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        match FileKind::parse(bytes) {
            Ok(FileKind::Elf32) => ElfFile32::<Endianness>::parse(bytes)
                .and_then(|file| read(file.elf_header(), file.endian(), bytes)),
            Ok(FileKind::Elf64) => ElfFile64::<Endianness>::parse(bytes)
                .and_then(|file| read(file.elf_header(), file.endian(), bytes)),
            Ok(_) | Err(_) => return Err("is not an ELF file".to_owned()),
        }
        .map_err(|error| format!("is a damaged ELF file: {error}"))
    }
}

fn read<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    bytes: &[u8],
) -> object::Result<Executable> {
    let mut executable = Executable {
        machine: match header.e_machine(endian) {
            EM_X86_64 => "x86_64".to_owned(),
            EM_386 => "i686".to_owned(),
            EM_AARCH64 => "aarch64".to_owned(),
            EM_S390 => "s390x".to_owned(),
            EM_RISCV => "riscv64".to_owned(),
            other => format!("ELF machine {other}"),
        },
        os_abi: header.e_ident().os_abi.0,
        ..Executable::default()
    };
    for segment in header.program_headers(endian, bytes)? {
        if segment.p_type(endian) == PT_INTERP {
            let path = segment.data(endian, bytes).unwrap_or_default();
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            executable.interpreter = Some(String::from_utf8_lossy(path).into_owned());
        }
        if let Some(mut notes) = segment.notes(endian, bytes)? {
            while let Some(note) = notes.next()? {
                let desc = note.desc();
                // All three vendors use this note type, and the version comes first in it.
                if note.n_type(endian) == NT_GNU_ABI_TAG && executable.vendor.is_none() {
                    executable.vendor = Some(String::from_utf8_lossy(note.name()).into_owned());
                    let number = desc.first_chunk::<4>().copied();
                    executable.release = number.map(|bytes| match endian {
                        Endianness::Little => u32::from_le_bytes(bytes),
                        Endianness::Big => u32::from_be_bytes(bytes),
                    });
                }
            }
        }
    }
    let sections = header.sections(endian, bytes)?;
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
            let name = entry.string(endian, strings)?;
            executable
                .libraries
                .push(String::from_utf8_lossy(name).into_owned());
        }
    }
    executable.constructors = sections
        .section_by_name(endian, b".init_array")
        .is_some_and(|(_, section)| section.data(endian, bytes).is_ok_and(|data| !data.is_empty()));
    Ok(executable)
}

impl fmt::Display for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.machine)?;
        if let (Some(vendor), Some(release)) = (&self.vendor, self.release) {
            write!(f, ", {vendor} {release}")?;
        }
        match &self.interpreter {
            Some(interpreter) => write!(f, ", {interpreter}, {}", self.libraries.join(" ")),
            None => write!(f, ", static"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_this_test_program_are_read() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let own = Executable::read(&own).unwrap();
        assert_eq!(own.machine, std::env::consts::ARCH);
        assert!(own.constructors, "{own}");
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        assert_eq!(
            Executable::read(b"#!/bin/sh\n").unwrap_err(),
            "is not an ELF file"
        );
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let cut = Executable::read(&own[..200]).unwrap_err();
        assert!(cut.starts_with("is a damaged ELF file: "), "{cut}");
    }
}
