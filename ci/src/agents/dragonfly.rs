//! What a DragonFly program is linked against where there is no DragonFly: a start file and two stub libraries.
//!
//! A shared library is only its names to a linker. So `libc.so` and `libpthread.so` are made here from a list of names
//! (`dragonfly/exports.txt`), with the file names of the real ones inside; on the real system the run-time linker finds
//! the real ones. The list is not made from whatever the program happens to need, which would link anything: each name
//! in it was looked up in DragonFly's own Symbol.map files, and a new one has to be.
//!
//! Everything is assembled by the Rust compiler for [`ASSEMBLER`] and linked by `rust-lld`, so no C toolchain is
//! needed. The price: functions added to libc after 5.6 cannot be used, which is what running on 5.6 means anyway.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target whose assembler and linker make the files: any x86_64 ELF target that rustup ships.
pub(super) const ASSEMBLER: &str = "x86_64-unknown-linux-musl";

const START: &str = include_str!("dragonfly/crt1.rs");
const NEWER: &str = include_str!("dragonfly/newer.rs");
const EXPORTS: &str = include_str!("dragonfly/exports.txt");

/// The libraries with names in them: for the linker, and in the program.
const LIBRARIES: [(&str, &str); 2] = [("c", "libc.so.8"), ("pthread", "libpthread.so.0")];

/// Named by the standard library's link attributes, used by nothing that is left of it when a panic aborts.
const EMPTY: [&str; 6] = ["execinfo", "gcc_pic", "kvm", "m", "rt", "util"];

/// Makes the files in `folder` and returns the compiler's flags that use them.
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
    let place = folder.display();
    let flags = [
        "-Clinker-flavor=ld.lld".to_owned(),
        format!("-Lnative={place}"),
        format!("-Clink-arg={}", start.display()),
        format!("-Clink-arg={}", newer.display()),
        "-Clink-arg=--dynamic-linker=/usr/libexec/ld-elf.so.2".to_owned(),
        // libc reads these two in the program, and the linker does not see that it does.
        "-Clink-arg=--export-dynamic-symbol=environ".to_owned(),
        "-Clink-arg=--export-dynamic-symbol=__progname".to_owned(),
        // Every name that is not in the list at once.
        "-Clink-arg=--error-limit=0".to_owned(),
    ];
    Ok(flags.join(" "))
}

/// The names of one library as assembly.
fn stubs(library: &str) -> String {
    let mut text = String::new();
    for line in EXPORTS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        if words.next() != Some(library) {
            continue;
        }
        let name = words.next().unwrap_or_default();
        match words.next() {
            // A thread-local name has its own relocations, so the linker must know that it is one.
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

fn linker() -> io::Result<PathBuf> {
    let root = super::sysroot(None).ok_or_else(|| io::Error::other("rustc does not answer"))?;
    let bin = format!("lib/rustlib/{}/bin/rust-lld", super::tools::host());
    Ok(root.join(bin))
}

fn run(command: &mut Command) -> io::Result<()> {
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
