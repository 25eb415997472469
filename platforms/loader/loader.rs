//! Starts a DragonFly kernel in QEMU: a Multiboot (version 1) program that gets the kernel and its root image as modules
//! and its environment as command line. It does the work of DragonFly's own loader, which needs a disk to boot from.
//!
//! It is in `platforms` because it is a part of starting a guest, and it is one file without dependencies, because
//! `ci agents` compiles it with the compiler alone. Formats: Multiboot Specification 0.6.96, chapter 3; ELF-64; for the
//! records, sys/sys/linker.h, sys/platform/pc64/include/metadata.h and sys/kern/subr_module.c of DragonFly.
//!
//! ```text
//! physical memory   0x200000       the kernel's segments, its symbols, the image, the environment, the records, end
//!                   0x8000000      this program, then the two modules as QEMU loaded them
//! ```
//! The questionable decision: it runs in 64-bit mode, so that the target of the other assembled files serves. Multiboot
//! has no 64-bit programs; the address fields of the header make QEMU ignore the kind of the file.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::panic::PanicInfo;

global_asm!(
    ".section .multiboot, \"a\"",
    ".balign 4",
    "header:",
    // Flags: modules are page-aligned, memory map, address fields.
    ".long 0x1badb002, 0x10003, -(0x1badb002 + 0x10003)",
    ".long header, base, load_end, bss_end, start",
    ".text",
    ".code32",
    ".globl start",
    "start:",
    "cli",
    "cld",
    "mov esp, offset stack_end",
    // The first GiB in pages of 2 MiB, at 0 and at the kernel's 0xffffffff80000000.
    "mov eax, offset map_1g + 3",
    "mov [map_512g], eax",
    "mov [map_512g + 8 * 510], eax",
    "mov eax, offset map_512g + 3",
    "mov [map_all], eax",
    "mov [map_all + 8 * 511], eax",
    "mov eax, 0x83",
    "xor ecx, ecx",
    "2: mov [map_1g + 8 * ecx], eax",
    "add eax, 0x200000",
    "inc ecx",
    "cmp ecx, 512",
    "jne 2b",
    "mov eax, offset map_all",
    "mov cr3, eax",
    // Compiled code uses SSE. PAE, OSFXSR, OSXMMEXCPT.
    "mov eax, cr4",
    "or eax, 0x620",
    "mov cr4, eax",
    // EFER.LME.
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x100",
    "wrmsr",
    // PG and MP, not EM.
    "mov eax, cr0",
    "and eax, 0xfffffffb",
    "or eax, 0x80000002",
    "mov cr0, eax",
    "lgdt [gdt_pointer]",
    "push 8",
    "mov eax, offset long_mode",
    "push eax",
    "retf",
    ".code64",
    "long_mode:",
    "mov eax, 16",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "mov edi, ebx",
    "call load",
    // The kernel reads three 32-bit words from its stack: 0, the records, and the end of used memory (locore.s).
    "sub rsp, 16",
    "mov dword ptr [rsp], 0",
    "mov [rsp + 4], rdx",
    "jmp rax",
    ".balign 8",
    "gdt: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff",
    "gdt_pointer: .word 23",
    ".long gdt",
    ".bss",
    ".balign 4096",
    "map_all: .space 4096",
    "map_512g: .space 4096",
    "map_1g: .space 4096",
    ".space 16384",
    "stack_end:",
);

unsafe extern "C" {
    /// The first byte of this program. Nothing may be copied here.
    static base: u8;
}

/// Where the kernel starts, and the addresses of the records (low half) and of the end of used memory (high half).
#[repr(C)]
struct Start {
    entry: u64,
    records_and_end: u64,
}

/// The kernel's addresses are its physical ones in the upper two GiB.
const PHYSICAL: u64 = 0x7fff_ffff;
const PAGE: u64 = 4096;

/// Places everything and returns what the kernel needs. `info` is the physical address of the Multiboot information.
#[unsafe(no_mangle)]
extern "sysv64" fn load(info: u64) -> Start {
    // Fields: 16 command line, 20 count and 24 address of the modules, 44 length and 48 address of the memory map.
    let modules = u64::from(long(info + 24));
    if long(info + 20) != 2 {
        fail("loader: two modules are needed, the kernel and the root image\n");
    }
    let module = |number: u64| {
        let [start, end] = [0, 4].map(|field| u64::from(long(modules + 16 * number + field)));
        (start, end - start)
    };
    let ((kernel, _), (image, image_length)) = (module(0), module(1));
    // ELF, 64 bits, little-endian, for x86_64.
    if long(kernel) != 0x464c_457f || short(kernel + 4) != 0x0102 || short(kernel + 18) != 62 {
        fail("loader: the first module is no ELF kernel for x86_64\n");
    }

    let mut first = u64::MAX;
    let mut out = Writer { at: 0 };
    let (table, size) = (kernel + quad(kernel + 32), short(kernel + 54));
    for header in (0..short(kernel + 56)).map(|number| table + number * size) {
        // PT_LOAD: 8 offset, 16 virtual address, 32 bytes in the file, 40 bytes in memory.
        if long(header) == 1 {
            let mut segment = Writer { at: quad(header + 16) & PHYSICAL };
            first = first.min(segment.at);
            segment.copy(kernel + quad(header + 8), quad(header + 32));
            segment.zero(quad(header + 40) - quad(header + 32));
            out.at = out.at.max(segment.at);
        }
    }
    let kernel_end = out.at;

    // The symbol table and its string table, each after its length. Debuggers and panics print names from it.
    out.align(PAGE);
    let symbols = out.at;
    let (table, size) = (kernel + quad(kernel + 40), short(kernel + 58));
    let section = |number: u64| table + number * size;
    for header in (0..short(kernel + 60)).map(section) {
        // SHT_SYMTAB: 24 offset, 32 length, 40 number of the string table.
        if long(header + 4) == 2 {
            for part in [header, section(u64::from(long(header + 40)))] {
                out.quad(quad(part + 32));
                out.copy(kernel + quad(part + 24), quad(part + 32));
                out.align(8);
            }
        }
    }
    let symbols_end = out.at;

    out.align(PAGE);
    let image_at = out.at;
    out.copy(image, image_length);

    // `NAME=VALUE` with a zero after each, and one more at the end. Other words, such as the name of this file that QEMU
    // puts first, are left out.
    out.align(PAGE);
    let environment = out.at;
    let mut word = u64::from(long(info + 16));
    while byte(word) != 0 {
        let length = (word..).take_while(|&at| !matches!(byte(at), 0 | b' ')).count() as u64;
        if (word..word + length).any(|at| byte(at) == b'=') {
            out.copy(word, length);
            out.zero(1);
        }
        word += length + u64::from(byte(word + length) == b' ');
    }
    out.zero(1);

    out.align(PAGE);
    let records = out.at;
    out.text(1, b"kernel\0");
    out.text(2, b"elf kernel\0");
    out.number(3, first);
    out.number(4, kernel_end - first);
    // The console is a serial port (RB_SERIAL).
    out.number(0x8007, 0x1000);
    out.number(0x8006, environment);
    if symbols_end > symbols {
        out.number(0x8003, symbols);
        out.number(0x8004, symbols_end);
    }
    // The memory map: Multiboot's entries are the BIOS's after a length.
    let (mut entry, map_end) = (u64::from(long(info + 48)), u64::from(long(info + 48) + long(info + 44)));
    let count = (map_end - entry) / 24;
    out.header(0x9001, 20 * count);
    while entry < map_end {
        out.copy(entry + 4, 20);
        entry += 4 + u64::from(long(entry));
    }
    out.align(8);
    out.header(0x8008, 8);
    let end_record = out.at;
    out.quad(0);
    out.text(1, b"root.iso\0");
    out.text(2, b"mfs_root\0");
    out.number(3, image_at);
    out.number(4, image_length);
    out.header(0, 0);
    out.align(PAGE);
    Writer { at: end_record }.quad(out.at);
    Start {
        entry: quad(kernel + 24),
        records_and_end: records | out.at << 32,
    }
}

/// Writes to physical memory in ascending order.
struct Writer {
    at: u64,
}

impl Writer {
    fn copy(&mut self, from: u64, length: u64) {
        self.advance(length);
        // SAFETY: `advance` has checked the target, and the first GiB is mapped.
        unsafe {
            asm!("rep movsb", inout("rcx") length => _, inout("rsi") from => _, inout("rdi") self.at - length => _);
        }
    }

    fn zero(&mut self, length: u64) {
        self.advance(length);
        // SAFETY: as for `copy`.
        unsafe {
            asm!("rep stosb", inout("rcx") length => _, in("al") 0u8, inout("rdi") self.at - length => _);
        }
    }

    /// Reserves `length` bytes. Nothing is written over this program and the modules behind it.
    fn advance(&mut self, length: u64) {
        self.at = self.at.saturating_add(length);
        if self.at > (&raw const base) as u64 {
            fail("loader: the kernel and the root image do not fit below 128 MiB\n");
        }
    }

    fn align(&mut self, unit: u64) {
        self.zero(self.at.wrapping_neg() % unit);
    }

    fn quad(&mut self, value: u64) {
        self.copy((&raw const value) as u64, 8);
    }

    /// The head of a record: its type and length.
    fn header(&mut self, kind: u64, length: u64) {
        self.quad(kind | length << 32);
    }

    fn text(&mut self, kind: u64, text: &[u8]) {
        self.header(kind, text.len() as u64);
        self.copy(text.as_ptr() as u64, text.len() as u64);
        self.align(8);
    }

    fn number(&mut self, kind: u64, value: u64) {
        self.header(kind, 8);
        self.quad(value);
    }
}

fn byte(at: u64) -> u8 {
    // SAFETY: QEMU's information and modules are in the first GiB, which is mapped.
    unsafe { (at as *const u8).read_volatile() }
}

fn short(at: u64) -> u64 {
    u64::from(byte(at)) | u64::from(byte(at + 1)) << 8
}

fn long(at: u64) -> u32 {
    (short(at) | short(at + 2) << 16) as u32
}

fn quad(at: u64) -> u64 {
    u64::from(long(at)) | u64::from(long(at + 4)) << 32
}

/// Prints `text` on the first serial port and resets the machine, which ends QEMU.
fn fail(text: &str) -> ! {
    for character in text.bytes() {
        out(0x3f8, character);
    }
    out(0xcf9, 6);
    loop {}
}

fn out(port: u16, value: u8) {
    // SAFETY: the serial port and the reset control register do not touch memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value) };
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail("loader: a panic\n")
}
