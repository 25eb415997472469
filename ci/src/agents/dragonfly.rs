//! Makes what a DragonFly program is linked against without DragonFly: a start file and two stub libraries.
//!
//! A linker needs only the symbols of a shared library. So the stub `libc.so` and `libpthread.so` define the names of
//! `dragonfly/exports.txt` and carry the SONAMEs of the real libraries, which the run-time linker loads on DragonFly.
//! The list is kept by hand: a list generated from the agent would let a function link that DragonFly lacks. Each name was
//! looked up in DragonFly's Symbol.map files, and each new one must be.
//!
//! The Rust compiler assembles everything for [`ASSEMBLER`] and `rust-lld` links it, so no C toolchain is needed. The
//! agent cannot use functions that libc gained after 5.6, the oldest release it runs on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that the files are assembled for: any x86_64 ELF target that rustup ships.
pub(super) const ASSEMBLER: &str = "x86_64-unknown-linux-musl";

const START: &str = include_str!("dragonfly/crt1.rs");
const NEWER: &str = include_str!("dragonfly/newer.rs");
const EXPORTS: &str = include_str!("dragonfly/exports.txt");

/// The stub libraries: the name for the linker, and the SONAME.
const LIBRARIES: [(&str, &str); 2] = [("c", "libc.so.8"), ("pthread", "libpthread.so.0")];

/// Empty libraries: the standard library names them in link attributes, and with `panic = "abort"` uses none.
const EMPTY: [&str; 6] = ["execinfo", "gcc_pic", "kvm", "m", "rt", "util"];

/// Writes the files to `folder` and returns the compiler flags that use them.
pub(super) fn prepare(folder: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let start = folder.join("crt1.o");
    assemble(START, &start)?;
    let newer = folder.join("newer.o");
    assemble(NEWER, &newer)?;
    for (name, file_name) in LIBRARIES {
        let object = folder.join(format!("{name}.o"));
        assemble(&stubs(name), &object)?;
        let library = folder.join(format!("lib{name}.so"));
        let mut linker = Command::new(linker()?);
        linker.args(["-flavor", "gnu", "-shared", "-soname", file_name, "-o"]);
        run(linker.arg(library).arg(object))?;
    }
    for name in EMPTY {
        fs::write(folder.join(format!("lib{name}.a")), "!<arch>\n")?;
    }
    let flags = [
        "-Clinker-flavor=ld.lld".to_owned(),
        format!("-Lnative={}", folder.display()),
        format!("-Clink-arg={}", start.display()),
        format!("-Clink-arg={}", newer.display()),
        "-Clink-arg=--dynamic-linker=/usr/libexec/ld-elf.so.2".to_owned(),
        // libc reads these two symbols of the program at run time, which the linker cannot see.
        "-Clink-arg=--export-dynamic-symbol=environ".to_owned(),
        "-Clink-arg=--export-dynamic-symbol=__progname".to_owned(),
        // Report all missing names at once.
        "-Clink-arg=--error-limit=0".to_owned(),
    ];
    Ok(flags.join(" "))
}

/// The source of one stub library: assembly that defines its names.
fn stubs(library: &str) -> String {
    let mut text = String::new();
    for line in EXPORTS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        if words.next() != Some(library) {
            continue;
        }
        let name = words.next().unwrap_or_default();
        match words.next() {
            // References to thread-local symbols have relocations of their own, so the type must be right.
            Some("thread-local") => {
                text += &format!(".section .tbss,\"awT\",@nobits\n.globl {name}\n.type {name},@tls_object\n");
                text += &format!(".size {name},8\n{name}: .zero 8\n.text\n");
            }
            _ => text += &format!(".globl {name}\n.type {name},@function\n{name}: ret\n"),
        }
    }
    format!("#![no_std]\ncore::arch::global_asm!(r#\"\n{text}\"#, options(att_syntax));\n")
}

fn assemble(source: &str, object: &Path) -> io::Result<()> {
    let file = object.with_extension("rs");
    fs::write(&file, source)?;
    let mut compiler = Command::new("rustc");
    compiler.args([
        "--edition=2024",
        "--crate-type=lib",
        "--emit=obj",
        "--target",
        ASSEMBLER,
    ]);
    compiler.args([
        "-Copt-level=s",
        "-Crelocation-model=pic",
        "-Cpanic=abort",
        "-Ccodegen-units=1",
    ]);
    run(compiler.arg("-o").arg(object).arg(file))
}

/// The linker that comes with the compiler.
pub(super) fn linker() -> io::Result<PathBuf> {
    let root = super::sysroot(None).ok_or_else(|| io::Error::other("rustc printed no sysroot"))?;
    let bin = format!("lib/rustlib/{}/bin/rust-lld", super::tools::host());
    Ok(root.join(bin))
}

/// Runs a tool and returns what it printed if it fails.
pub(super) fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!(
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    )))
}
