//! Builds the Multiboot loader of DragonFly guests, and checks it.
//!
//! Its source is in `platforms/loader`, because it is a part of starting a guest. The Rust compiler and the linker that
//! comes with it are enough, as for the stub libraries. The checks are those that QEMU makes before it starts the
//! loader, so that a wrong layout is found here and not as a guest that never prints anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use reusespec_platforms::executable::Executable;

use super::dragonfly::{ASSEMBLER, linker, run};

const SOURCE: &str = include_str!("../../../platforms/loader/loader.rs");
const LAYOUT: &str = include_str!("../../../platforms/loader/loader.ld");

/// A loader is a hundred lines. More than this means that something was linked by mistake.
const MOST_BYTES: usize = 32 * 1024;

/// The first word of a Multiboot header, which is in the first 8 KiB (Multiboot Specification 0.6.96, 3.1).
const MAGIC: u32 = 0x1bad_b002;

/// Builds the loader below `folder`, checks it, and returns its path.
pub(super) fn build(folder: &Path) -> io::Result<PathBuf> {
    let [source, layout, program] = ["loader.rs", "loader.ld", "loader"].map(|name| folder.join(name));
    fs::write(&source, SOURCE)?;
    fs::write(&layout, LAYOUT)?;
    let mut compiler = Command::new("rustc");
    compiler.args(["--edition=2024", "--crate-name=loader", "--target", ASSEMBLER]);
    compiler.args([
        "-Copt-level=s",
        "-Cpanic=abort",
        "-Ccodegen-units=1",
        "-Cstrip=symbols",
    ]);
    // At fixed addresses, without start files and libraries.
    compiler.args(["-Crelocation-model=static", "-Clink-self-contained=no"]);
    compiler.args(["-Cdefault-linker-libraries=no", "-Clinker-flavor=ld.lld"]);
    compiler.arg(format!("-Clinker={}", linker()?.display()));
    compiler.arg(format!("-Clink-arg=-T{}", layout.display()));
    compiler.arg("-Clink-arg=--no-dynamic-linker");
    run(compiler.arg("-o").arg(&program).arg(&source))?;
    let bytes = fs::read(&program)?;
    let executable = Executable::read(&bytes).map_err(io::Error::other)?;
    check(&bytes, &executable).map_err(|what| io::Error::other(format!("the loader {what}")))?;
    Ok(program)
}

/// Checks that QEMU will load the program as it was linked.
fn check(bytes: &[u8], executable: &Executable) -> Result<(), String> {
    if executable.machine != "x86_64" || executable.interpreter.is_some() || !executable.libraries.is_empty()
    {
        return Err(format!("is not a static program for x86_64: {executable}"));
    }
    if bytes.len() > MOST_BYTES {
        return Err(format!("is {} bytes long, more than {MOST_BYTES}", bytes.len()));
    }
    let word = |at: usize| {
        let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        four.map_or(0, |four| u32::from_le_bytes(*four))
    };
    let header = (0..8192).step_by(4).find(|&at| word(at) == MAGIC);
    let header = header.ok_or("has no Multiboot header")?;
    let [flags, checksum, own, start, end, bss_end, entry] =
        [4, 8, 12, 16, 20, 24, 28].map(|at| word(header + at));
    if MAGIC.wrapping_add(flags).wrapping_add(checksum) != 0 {
        return Err("has a Multiboot header with a wrong checksum".to_owned());
    }
    // Bit 16 announces the addresses; without it QEMU would refuse a 64-bit ELF file.
    if flags & (1 << 16) == 0 {
        return Err("has a Multiboot header without addresses".to_owned());
    }
    // QEMU finds the first byte to load from the place of the header in the file.
    let first = (header as u32).checked_sub(own.wrapping_sub(start));
    let in_file = first.is_some_and(|first| {
        end.checked_sub(start)
            .is_some_and(|length| first.saturating_add(length) as usize <= bytes.len())
    });
    if !in_file || !(start..end).contains(&entry) || end > bss_end {
        return Err(format!(
            "has wrong addresses: header {own:#x}, load {start:#x} to {end:#x}, end {bss_end:#x}, entry {entry:#x}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds the loader, if the compiler's target for it is installed.
    fn built() -> Option<Vec<u8>> {
        let folder = tempfile::TempDir::new().unwrap();
        super::super::tools::has_target(ASSEMBLER).then(|| fs::read(build(folder.path()).unwrap()).unwrap())
    }

    #[test]
    fn a_changed_header_is_refused_with_the_reason() {
        let Some(good) = built() else { return };
        let executable = Executable::read(&good).unwrap();
        let at = (0..8192)
            .step_by(4)
            .find(|&at| good[at..at + 4] == MAGIC.to_le_bytes())
            .unwrap();
        let refusal = |field: usize, value: u32| {
            let mut bytes = good.clone();
            bytes[at + field..at + field + 4].copy_from_slice(&value.to_le_bytes());
            let reason = check(&bytes, &executable).unwrap_err();
            // The addresses behind the colon depend on the compiler.
            reason.split(": ").next().unwrap_or_default().to_owned()
        };
        let lines = [
            refusal(0, 0),
            refusal(8, 0),
            refusal(16, 0),
            refusal(20, 0xffff_ffff),
            refusal(28, 0x10_0000),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
