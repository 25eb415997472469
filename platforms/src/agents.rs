//! Finds the agent's executables for other machines, and the loader of DragonFly. It never builds them.
//!
//! An `agents` folder has one folder for each Rust target: `agents/x86_64-unknown-linux-musl/reusespec-agent`. It is
//! searched for beside the program (an installation), beside the program's folder (`target/release/reusespec` and
//! `target/agents`), in `target` of the working directory and of each folder above it, and in the archive that is appended
//! to the program. Since nothing is built here, an agent can be older than the program. Only the protocol's version number
//! reveals that.

use std::env;
use std::path::{Path, PathBuf};

/// The executable's name in each target's folder.
pub const PROGRAM: &str = "reusespec-agent";

/// The name of the Multiboot loader, beside the agents of targets whose kernels need it.
pub const LOADER: &str = "reusespec-loader";

/// No folder has an agent or a loader for a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {} for {target}: {}", self.program.trim_start_matches("reusespec-"), self.advice())]
pub struct NoAgent {
    /// The Rust target.
    pub target: String,
    /// The missing file: [`PROGRAM`] or [`LOADER`].
    pub program: &'static str,
}

impl NoAgent {
    /// How to get the agent.
    pub(crate) fn advice(&self) -> String {
        let Self { target, program } = self;
        format!(
            "build it with `cargo run -p ci -- agents --install {target}`, or set REUSESPEC_AGENTS to a folder that \
             contains {target}/{program}"
        )
    }
}

/// The path of the agent for `target`. `REUSESPEC_AGENTS`, if set, is the only folder searched.
///
/// # Errors
/// When no folder has it.
pub fn find(target: &str) -> Result<PathBuf, NoAgent> {
    find_file(target, PROGRAM)
}

/// The path of the Multiboot loader for kernels of `target`. It is searched for as the agent is.
///
/// # Errors
/// When no folder has it.
pub fn find_loader(target: &str) -> Result<PathBuf, NoAgent> {
    find_file(target, LOADER)
}

fn find_file(target: &str, program: &'static str) -> Result<PathBuf, NoAgent> {
    let folders = match env::var_os("REUSESPEC_AGENTS") {
        Some(folder) => vec![folder.into()],
        None => folders(
            env::current_exe().ok().as_deref(),
            env::current_dir().ok().as_deref(),
        ),
    };
    find_in(&folders, target, program).or_else(|missing| {
        let carried = crate::carried::folder().ok().flatten();
        let carried: Vec<_> = carried.iter().map(|folder| folder.join("agents")).collect();
        find_in(&carried, target, program).map_err(|_| missing)
    })
}

fn folders(program: Option<&Path>, here: Option<&Path>) -> Vec<PathBuf> {
    let beside = program
        .into_iter()
        .flat_map(|program| program.ancestors().skip(1).take(3));
    let above = here
        .into_iter()
        .flat_map(Path::ancestors)
        .map(|folder| folder.join("target"));
    beside
        .map(Path::to_owned)
        .chain(above)
        .map(|folder| folder.join("agents"))
        .collect()
}

fn find_in(folders: &[PathBuf], target: &str, program: &'static str) -> Result<PathBuf, NoAgent> {
    folders
        .iter()
        .map(|folder| folder.join(target).join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| NoAgent {
            target: target.to_owned(),
            program,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_found_beside_the_program_and_in_the_target_folder_above() {
        let tree = tempfile::TempDir::new().unwrap();
        let put = |folder: &str| {
            let folder = tree.path().join(folder).join("agents/t");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(PROGRAM), "").unwrap();
            folder.join(PROGRAM)
        };
        let (program, here) = (
            tree.path().join("target/debug/reusespec"),
            tree.path().join("a/b"),
        );
        let look =
            |program: &Path, here: &Path| find_in(&folders(Some(program), Some(here)), "t", PROGRAM).ok();
        assert_eq!(look(&program, &here), None);
        let built = put("target");
        assert_eq!(look(&program, Path::new("/nowhere")), Some(built.clone()));
        assert_eq!(look(Path::new("/usr/bin/reusespec"), &here), Some(built));
    }

    #[test]
    fn the_error_names_two_ways_to_get_an_agent() {
        let error = find_in(&[], "s390x-unknown-linux-gnu", PROGRAM).unwrap_err();
        insta::assert_snapshot!(error, @"no agent for s390x-unknown-linux-gnu: build it with `cargo run -p ci -- agents --install s390x-unknown-linux-gnu`, or set REUSESPEC_AGENTS to a folder that contains s390x-unknown-linux-gnu/reusespec-agent");
    }
}
