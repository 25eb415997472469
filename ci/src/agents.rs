//! Builds the agent for other machines: `target/agents/<target>/reusespec-agent`.
//!
//! | module | owns |
//! |---|---|
//! | [`recipe`] | how each target is linked, and what is checked of the result |
//! | [`tools`] | the tools that a build needs, and the commands that install them |
//! | [`dragonfly`] | a start file and stub libraries to link DragonFly programs against |
//! | [`loader`] | the program by which QEMU starts a DragonFly kernel |
//!
//! Cargo runs once per target: targets differ in toolchain and linker, and one that cannot be built here must not stop
//! the others. A missing tool is reported with the command that installs it. The task fails only if a target that was
//! named on the command line is missing; without names it builds what this machine can build.

mod dragonfly;
mod loader;
mod recipe;
mod tools;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use recipe::{Linker, Recipe};
use reusespec_platforms::agents::LOADER;
use reusespec_platforms::executable::Executable;

/// The file name of the program.
const PROGRAM: &str = "reusespec-agent";
/// The size limit of the command.
const COMMAND_BYTES: usize = 25_000_000;

/// Builds the agents of the named targets, or of all that this machine can build. Returns whether none that was named
/// is missing.
///
/// # Errors
/// When a target is unknown or a folder cannot be written.
pub(crate) fn build(names: &[String], install: bool) -> io::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = fs::canonicalize(root)?;
    let mut out = io::stdout();
    let mut complete = true;
    for recipe in recipe::chosen(names)? {
        if install {
            tools::install(recipe)?;
        }
        let missing = tools::missing(recipe);
        if !missing.is_empty() {
            complete &= names.is_empty();
            writeln!(out, "{:32} not built", recipe.target)?;
            for advice in missing {
                writeln!(out, "{:32}   {advice}", "")?;
            }
            continue;
        }
        match build_one(recipe, &root) {
            Ok(line) => writeln!(out, "{:32} {line}", recipe.target)?,
            Err(error) => {
                complete = false;
                writeln!(out, "{:32} {error}", recipe.target)?;
            }
        }
    }
    Ok(complete)
}

/// A program that the recipes build.
struct Program<'p> {
    /// The manifest of its crate.
    manifest: &'p Path,
    /// The name of the binary.
    name: &'p str,
    /// The profile of cargo.
    profile: &'p str,
    /// The folder for cargo's output.
    output: PathBuf,
    /// The size limit.
    most_bytes: usize,
}

/// Builds the command `reusespec` for a target and returns its path.
///
/// # Errors
/// As [`build_program`].
pub(crate) fn build_command(target: &str, root: &Path) -> io::Result<PathBuf> {
    let program = Program {
        manifest: &root.join("harness/cli/Cargo.toml"),
        name: "reusespec",
        profile: "release",
        output: root.join("target"),
        most_bytes: COMMAND_BYTES,
    };
    let (built, _) = build_checked(buildable(target)?, root, &program)?;
    Ok(built)
}

/// The recipe of a target, if this machine has its tools.
fn buildable(target: &str) -> io::Result<&'static Recipe> {
    let recipe = recipe::chosen(&[target.to_owned()])?[0];
    let missing = tools::missing(recipe);
    match missing.is_empty() {
        true => Ok(recipe),
        false => Err(io::Error::other(missing.join("; "))),
    }
}

/// Builds the binary of somebody else's crate for a target, checks it, and copies it to `file`.
///
/// # Errors
/// When the target is unknown, a tool is missing, or the program cannot be built.
pub(crate) fn build_program(target: &str, manifest: &Path, name: &str, file: &Path) -> io::Result<bool> {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    let recipe = buildable(target)?;
    // Its files are not left in the folder of the crate.
    let output = file.with_extension("target");
    let program = Program {
        manifest,
        name,
        profile: "release",
        output: output.clone(),
        most_bytes: recipe.most_bytes,
    };
    let (built, _) = build_checked(recipe, &root, &program)?;
    install(&built, file)?;
    fs::remove_dir_all(output)?;
    Ok(true)
}

/// Builds one agent, checks it, and copies it to `target/agents`.
fn build_one(recipe: &Recipe, root: &Path) -> io::Result<String> {
    let folder = root.join("target/agents").join(recipe.target);
    let program = Program {
        manifest: &root.join("harness/agent/Cargo.toml"),
        name: PROGRAM,
        profile: "agent",
        output: root.join("target"),
        most_bytes: recipe.most_bytes,
    };
    let (built, description) = build_checked(recipe, root, &program)?;
    install(&built, &folder.join(PROGRAM))?;
    if recipe.linker == Linker::Stubs {
        install(&loader::build(&folder.join("link"))?, &folder.join(LOADER))?;
    }
    Ok(description)
}

/// Builds a program and checks it. Returns its path and a description.
fn build_checked(recipe: &Recipe, root: &Path, program: &Program<'_>) -> io::Result<(PathBuf, String)> {
    let folder = root.join("target/agents").join(recipe.target);
    fs::create_dir_all(&folder)?;
    let output = command(recipe, root, &folder, program)?.output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let errors = text.find("\nerror").map_or(&*text, |start| &text[start..]);
        return Err(io::Error::other(format!("failed{errors}")));
    }
    let built = program
        .output
        .join(recipe.target)
        .join(program.profile)
        .join(program.name);
    let bytes = fs::read(&built)?;
    let executable = Executable::read(&bytes).map_err(io::Error::other)?;
    recipe
        .check(&executable, bytes.len(), program.most_bytes)
        .map_err(io::Error::other)?;
    Ok((built, format!("{:>9} bytes  {executable}", bytes.len())))
}

/// Copies to a temporary name and renames, so that a concurrent run finds a complete file.
fn install(built: &Path, target: &Path) -> io::Result<()> {
    let new = target.with_extension("new");
    fs::copy(built, &new)?;
    fs::rename(new, target)
}

fn command(recipe: &Recipe, root: &Path, folder: &Path, program: &Program<'_>) -> io::Result<Command> {
    let mut command = match recipe.standard_library {
        recipe::StandardLibrary::Shipped => Command::new("cargo"),
        // Not `cargo +nightly`: below `cargo run`, PATH may name the `cargo` of one toolchain, which knows no `+`.
        recipe::StandardLibrary::Built => {
            let mut command = Command::new("rustup");
            command.args(["run", tools::NIGHTLY, "cargo"]);
            command
        }
    };
    for inherited in ["RUSTC", "RUSTDOC", "CARGO", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(inherited);
    }
    command.current_dir(root);
    command.arg(if recipe.linker == Linker::Zig {
        "zigbuild"
    } else {
        "build"
    });
    command.arg("--manifest-path").arg(program.manifest);
    command.args(["--bin", program.name, "--profile", program.profile]);
    command.args(["--target", recipe.target]);
    command.arg("--target-dir").arg(&program.output);
    if recipe.standard_library == recipe::StandardLibrary::Built {
        // Without unwinding and backtraces: an agent that aborts uses neither.
        command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
    }
    match recipe.linker {
        // The target ships start files and libc.a, so the linker that comes with Rust is enough.
        Linker::Lld => {
            command.env(recipe.variable("LINKER"), "rust-lld");
        }
        Linker::Zig => {}
        Linker::Stubs if std::env::var_os(recipe.variable("LINKER")).is_some() => {}
        Linker::Stubs => {
            let flags = dragonfly::prepare(&folder.join("link"))?;
            command.env(recipe.variable("LINKER"), "rust-lld");
            command.env(recipe.variable("RUSTFLAGS"), flags);
        }
    }
    Ok(command)
}

/// The sysroot of the toolchain called `toolchain`, or of the one of this repository.
fn sysroot(toolchain: Option<&str>) -> Option<PathBuf> {
    let mut command = match toolchain {
        Some(name) => {
            let mut command = Command::new("rustup");
            command.args(["run", name, "rustc"]);
            command
        }
        None => Command::new("rustc"),
    };
    let output = command.args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| PathBuf::from(text.trim()))
}
