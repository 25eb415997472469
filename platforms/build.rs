//! Compiles the platform profiles in: writes the name and text of each `*.toml` file of this folder into two lists,
//! by whether it describes a guest.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo looks at the modification times of the folder and of everything in it, so a new profile is noticed.
    println!("cargo:rerun-if-changed=.");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") && !path.ends_with("Cargo.toml") {
            files.push((fs::read_to_string(&path)?, path));
        }
    }
    files.sort_by(|(_, one), (_, other)| one.cmp(other));
    let is_guest = |text: &str| text.lines().any(|line| line.starts_with("[boot.qemu"));
    let (guests, commands): (Vec<_>, Vec<_>) = files.into_iter().partition(|(text, _)| is_guest(text));
    let list = |name: &str, files: &[(String, PathBuf)]| {
        let entries: String = files.iter().map(|(_, path)| entry(path)).collect();
        format!("pub(crate) const {name}: &[(&str, &str)] = &[\n{entries}];\n")
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(
        out.join("built_in.rs"),
        list("GUESTS", &guests) + &list("COMMANDS", &commands),
    )
}

fn entry(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("    ({name:?}, include_str!({path:?})),\n")
}
