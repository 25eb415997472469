//! Finds the files of a tree that a program needs to start: the run-time linker, its libraries, and their libraries.
//!
//! Libraries are searched for in the default folders of the run-time linkers, because a guest has neither a linker
//! cache nor a search path. A library keeps the name in `DT_NEEDED`, so symbolic links of the tree become files. Links
//! are resolved inside the tree; otherwise an absolute link would lead to this machine's own library.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::executable::Executable;

/// The default folders of FreeBSD and DragonFly, then those of glibc on a 64-bit Debian.
const FOLDERS: [&str; 7] = [
    "lib",
    "usr/lib",
    "usr/lib/thread",
    "lib64",
    "usr/lib64",
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
];

/// Limits the symbolic links on the way to one file, to end loops.
const MAX_LINKS: usize = 40;

/// Why the files of a program cannot be collected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosureError {
    /// A file is not a program or library.
    #[error("{name} {what}")]
    NotExecutable {
        /// The file.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The tree lacks a library or the run-time linker.
    #[error("{name} needs {missing}, but the tree {} has none in {folders}", .tree.display())]
    Missing {
        /// The program or library that needs it.
        name: String,
        /// The missing library or run-time linker.
        missing: String,
        /// The tree.
        tree: PathBuf,
        /// The searched folders of the tree.
        folders: String,
    },
}

/// The collected files.
#[derive(Debug)]
pub struct Closure {
    tree: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Closure {
    /// An empty collection of files of `tree`.
    pub fn of(tree: &Path) -> Self {
        Self {
            tree: tree.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// Adds the files that `program` needs. Errors call it `name`.
    ///
    /// # Errors
    /// When it is no program, or the tree lacks a file.
    pub fn add(&mut self, name: &str, program: &[u8]) -> Result<(), ClosureError> {
        let executable = Executable::read(program).map_err(|what| ClosureError::NotExecutable {
            name: name.to_owned(),
            what,
        })?;
        if let Some(interpreter) = &executable.interpreter {
            let place = interpreter.trim_start_matches('/');
            let content = self.read(Path::new(place));
            self.keep(name, place, content)?;
        }
        for library in executable.libraries {
            let known = FOLDERS
                .iter()
                .any(|folder| self.files.contains_key(&format!("{folder}/{library}")));
            if known {
                continue;
            }
            let found = FOLDERS.iter().find_map(|folder| {
                let place = format!("{folder}/{library}");
                Some((self.read(Path::new(&place))?, place))
            });
            let (content, place) = found.map_or((None, library), |(content, place)| (Some(content), place));
            self.keep(name, &place, content)?;
        }
        Ok(())
    }

    /// Adds the tree's libraries named `STEM.so.NUMBER` and the files they need. The tree need not have them.
    ///
    /// # Errors
    /// When the tree has a library but lacks a file that it needs.
    pub fn add_if_present(&mut self, stems: &[&str]) -> Result<(), ClosureError> {
        let mut places = Vec::new();
        for folder in FOLDERS {
            let names = fs::read_dir(self.tree.join(folder))
                .into_iter()
                .flatten()
                .flatten();
            for name in names.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
                let stem = name.split_once(".so.").map(|(stem, _)| stem);
                if stem.is_some_and(|stem| stems.contains(&stem)) {
                    places.push(format!("{folder}/{name}"));
                }
            }
        }
        places.sort();
        for place in places {
            let content = self.read(Path::new(&place));
            self.keep(&place.clone(), &place, content)?;
        }
        Ok(())
    }

    /// The files, as path below the root and content, sorted by path.
    pub fn into_files(self) -> impl Iterator<Item = (String, Vec<u8>)> {
        self.files.into_iter()
    }

    fn keep(&mut self, name: &str, place: &str, content: Option<Vec<u8>>) -> Result<(), ClosureError> {
        let content = content.ok_or_else(|| ClosureError::Missing {
            name: name.to_owned(),
            missing: place.to_owned(),
            tree: self.tree.clone(),
            folders: FOLDERS.join(", "),
        })?;
        if self.files.insert(place.to_owned(), content.clone()).is_none() {
            self.add(place, &content)?;
        }
        Ok(())
    }

    fn read(&self, place: &Path) -> Option<Vec<u8>> {
        fs::read(resolve(&self.tree, place)?).ok()
    }
}

/// Resolves the symbolic links of `place` inside `tree`. Returns `None` if the result is not a file.
fn resolve(tree: &Path, place: &Path) -> Option<PathBuf> {
    let mut left: Vec<_> = place
        .components()
        .rev()
        .map(|part| part.as_os_str().to_owned())
        .collect();
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => inside.clear(),
            Some(Component::ParentDir) => drop(inside.pop()),
            Some(Component::CurDir) | None => {}
            _ => {
                inside.push(&part);
                let Ok(target) = fs::read_link(tree.join(&inside)) else {
                    continue;
                };
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                inside.pop();
                left.extend(
                    target
                        .components()
                        .rev()
                        .map(|part| OsStr::to_owned(part.as_os_str())),
                );
            }
        }
    }
    let file = tree.join(inside);
    file.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// This test program, and its headers.
    fn own() -> (Vec<u8>, Executable) {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let executable = Executable::read(&program).unwrap();
        (program, executable)
    }

    #[test]
    fn linker_libraries_and_their_libraries_are_collected() {
        let (program, executable) = own();
        let mut closure = Closure::of(Path::new("/"));
        closure.add("this test", &program).unwrap();
        let files: Vec<_> = closure.into_files().map(|(place, _)| place).collect();
        let names = |place: &String| place.rsplit('/').next().unwrap_or_default().to_owned();
        let there: Vec<_> = files.iter().map(names).collect();
        assert!(files.contains(&executable.interpreter.unwrap().trim_start_matches('/').to_owned()));
        for library in &executable.libraries {
            assert!(there.contains(library), "{library} is not in {files:?}");
        }
    }

    #[test]
    fn optional_libraries_are_collected_with_their_dependencies() {
        let mut closure = Closure::of(Path::new("/"));
        closure.add_if_present(&["libm", "libabsent"]).unwrap();
        let files: Vec<_> = closure.into_files().map(|(place, _)| place).collect();
        for name in ["libm.so.6", "libc.so.6"] {
            assert!(
                files.iter().any(|place| place.ends_with(name)),
                "{name}: {files:?}"
            );
        }
    }

    #[test]
    fn the_error_names_the_missing_file_its_user_and_the_folders() {
        let tree = tempfile::TempDir::new().unwrap();
        let (program, executable) = own();
        let error = Closure::of(tree.path()).add("the agent", &program).unwrap_err();
        let text = error
            .to_string()
            .replace(&tree.path().display().to_string(), "TREE");
        let interpreter = executable.interpreter.unwrap();
        let interpreter = interpreter.trim_start_matches('/');
        assert_eq!(
            text,
            format!(
                "the agent needs {interpreter}, but the tree TREE has none in {}",
                FOLDERS.join(", ")
            )
        );
    }

    #[test]
    fn links_are_resolved_inside_the_tree() {
        let tree = tempfile::TempDir::new().unwrap();
        let at = |path: &str| tree.path().join(path);
        fs::create_dir_all(at("usr/lib/deep")).unwrap();
        fs::create_dir_all(at("lib")).unwrap();
        fs::write(at("lib/libc.so.7"), "the tree's").unwrap();
        symlink("/lib/libc.so.7", at("usr/lib/libc.so")).unwrap();
        symlink("../../../../../../../lib/libc.so.7", at("usr/lib/deep/libc.so")).unwrap();
        symlink("loop", at("lib/loop")).unwrap();
        symlink("/nowhere", at("lib/dead")).unwrap();
        for place in ["usr/lib/libc.so", "usr/lib/deep/libc.so", "lib/libc.so.7"] {
            let found = resolve(tree.path(), Path::new(place)).unwrap();
            assert_eq!(fs::read_to_string(found).unwrap(), "the tree's", "{place}");
        }
        for place in ["lib/loop", "lib/dead", "lib/none", "lib"] {
            assert_eq!(resolve(tree.path(), Path::new(place)), None, "{place}");
        }
    }
}
