//! The files that a program needs in the guest: a list, and their bytes in the order of the list. Symbolic links stay
//! links.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reusespec_core::protocol::{Content, Placed};

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub(super) struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// Files and their bytes.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) placed: Vec<Placed>,
    pub(super) content: Vec<u8>,
}

impl Files {
    /// Adds the program and returns its path in the guest.
    pub(super) fn add_program(&mut self, program: &Path, folder: &str) -> Result<String, FileError> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{folder}/{name}");
        // The guest needs the file itself, so a link to the program is followed.
        let found = fs::canonicalize(program).map_err(unreadable(program))?;
        self.add(&found, &place)?;
        Ok(place)
    }

    /// Adds a file, or a folder with everything in it, as `place`.
    pub(super) fn add(&mut self, from: &Path, place: &str) -> Result<(), FileError> {
        let kind = fs::symlink_metadata(from).map_err(unreadable(from))?;
        if kind.is_dir() {
            let entries = fs::read_dir(from).map_err(unreadable(from))?;
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
                .map_err(unreadable(from))?;
            names.sort();
            for name in names {
                self.add(&from.join(&name), &format!("{place}/{}", name.to_string_lossy()))?;
            }
            return Ok(());
        }
        let content = if kind.is_symlink() {
            let to = fs::read_link(from).map_err(unreadable(from))?;
            Content::Link(to.to_string_lossy().into_owned())
        } else if kind.is_file() {
            let bytes = fs::read(from).map_err(unreadable(from))?;
            let count = bytes.len() as u64;
            self.content.extend(bytes);
            let mode = kind.permissions().mode() & 0o7777;
            Content::Bytes { count, mode }
        } else {
            // Devices and sockets of this machine have no meaning in the guest.
            return Ok(());
        };
        self.placed.push(Placed {
            path: place.to_owned(),
            content,
        });
        Ok(())
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_sent_in_order_and_links_stay_links() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("lib")).unwrap();
        fs::write(tree.path().join("lib/libc.so.6"), "abc").unwrap();
        fs::write(tree.path().join("note"), "de").unwrap();
        std::os::unix::fs::symlink("lib", tree.path().join("lib64")).unwrap();
        let mut files = Files::default();
        files.add(tree.path(), "").unwrap();
        let paths: Vec<_> = files.placed.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/lib/libc.so.6", "/lib64", "/note"]);
        assert_eq!(files.placed[1].content, Content::Link("lib".to_owned()));
        assert_eq!(files.content, b"abcde");
    }

    #[test]
    fn the_error_about_a_missing_file_names_it() {
        let error = Files::default()
            .add_program(Path::new("/nowhere/program"), "/tmp")
            .unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/program");
    }
}
