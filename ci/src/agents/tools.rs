//! The tools that building an agent needs, and the commands that install them.

use std::io;
use std::process::{Command, Stdio};

use super::recipe::{Linker, Recipe, StandardLibrary};
use super::sysroot;

/// The toolchain that can build the standard library.
pub(super) const NIGHTLY: &str = "nightly";

/// The commands that install what `recipe` needs and this machine lacks.
pub(super) fn missing(recipe: &Recipe) -> Vec<String> {
    let mut missing = Vec::new();
    match recipe.standard_library {
        StandardLibrary::Shipped => {
            let is_present = has_target(recipe.target);
            missing.extend((!is_present).then(|| format!("rustup target add {}", recipe.target)));
        }
        StandardLibrary::Built => {
            let source = sysroot(Some(NIGHTLY)).map(|root| root.join("lib/rustlib/src/rust/library"));
            match source {
                None => missing.push(format!(
                    "rustup toolchain install {NIGHTLY} --profile minimal --component rust-src"
                )),
                Some(folder) if !folder.is_dir() => {
                    missing.push(format!("rustup component add rust-src --toolchain {NIGHTLY}"));
                }
                Some(_) => {}
            }
        }
    }
    if recipe.linker == Linker::Zig {
        let is_present = succeeds("cargo", &["zigbuild", "--help"])
            && (succeeds("zig", &["version"]) || succeeds("python3", &["-m", "ziglang", "version"]));
        missing.extend((!is_present).then(|| "pip install ziglang cargo-zigbuild".to_owned()));
    }
    if recipe.linker == Linker::Stubs && !has_target(super::dragonfly::ASSEMBLER) {
        missing.push(format!("rustup target add {}", super::dragonfly::ASSEMBLER));
    }
    missing
}

/// Runs these commands. It looks again after each, because a new toolchain may lack a component.
pub(super) fn install(recipe: &Recipe) -> io::Result<()> {
    let mut last = None;
    while let Some(command) = missing(recipe).into_iter().next() {
        if last.as_ref() == Some(&command) {
            return Err(io::Error::other(format!(
                "`{command}` succeeded, but what it installs is still missing"
            )));
        }
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        let status = Command::new(program).args(words).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("`{command}` ended with {status}")));
        }
        last = Some(command);
    }
    Ok(())
}

/// The Rust target of this machine.
pub(super) fn host() -> String {
    let output = Command::new("rustc").args(["--print", "host-tuple"]).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Whether rustup has installed the standard library of a target.
pub(super) fn has_target(target: &str) -> bool {
    sysroot(None).is_some_and(|root| root.join("lib/rustlib").join(target).join("lib").is_dir())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
