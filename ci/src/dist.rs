//! Builds the executable that is released: a static binary for one Linux architecture. An archive with the scenarios, the
//! implementations and the agent of that architecture is appended to it (`reusespec_platforms::carried`).
//!
//! The agents of other architectures are not in the archive, because most users need none of them. They are separate files
//! beside the executable.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reusespec_platforms::agents::PROGRAM;
use reusespec_platforms::carried::{self, Entry};

use crate::agents;

/// The folders that the program carries, below the root of the repository.
const FOLDERS: [&str; 2] = ["scenarios", "harness/implementations"];

/// Writes `target/dist/TARGET/reusespec`: `program`, or a static one that is built for the target. The agent of the target
/// must have been built.
///
/// # Errors
/// When the program cannot be built or written.
pub(crate) fn build(target: &str, program: Option<&Path>) -> io::Result<bool> {
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    let folder = root.join("target/dist").join(target);
    fs::create_dir_all(&folder)?;
    let bare = match program {
        Some(program) => fs::read(program)?,
        None => fs::read(agents::build_command(target, &root)?)?,
    };
    let mut entries = Vec::new();
    for name in FOLDERS {
        collect(&root, Path::new(name), &mut entries)?;
    }
    let agent = Path::new("agents").join(target).join(PROGRAM);
    entries.push(Entry {
        content: fs::read(root.join("target").join(&agent))
            .map_err(|error| io::Error::other(format!("{}: {error}", agent.display())))?,
        path: agent,
        executable: true,
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let whole = carried::append(&bare, &entries)?;
    let file = folder.join("reusespec");
    fs::write(&file, &whole)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    writeln!(
        io::stdout(),
        "{}  {} bytes, {} files",
        file.display(),
        whole.len(),
        entries.len()
    )?;
    Ok(true)
}

/// Adds the files below a folder, without the sources of the test suite and without what a build has left.
fn collect(root: &Path, folder: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path: PathBuf = folder.join(entry.file_name());
        let is_left_out = [Path::new("scenarios/tests"), Path::new("scenarios/Cargo.toml")].contains(&&*path)
            || ["target", "node_modules", "__pycache__"]
                .iter()
                .any(|name| entry.file_name() == *name)
            || path.extension().is_some_and(|extension| extension == "new");
        if is_left_out {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &path, entries)?;
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            let content = fs::read(entry.path())?;
            entries.push(Entry {
                path,
                content,
                executable,
            });
        }
    }
    Ok(())
}
