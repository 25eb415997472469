//! `reusespec export DIR`: writes the scenarios and implementations that the program carries to a folder.
//!
//! They are copied and not linked, because the cache belongs to the program. An existing folder is refused, so that nothing
//! is overwritten.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use reusespec_platforms::carried::{self, CarriedError};

use super::wrong_input;
use crate::exit;

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("this program carries no scenarios; those of its checkout can be changed in place")]
    NothingCarried,
    #[error("{0} exists already; name a new folder")]
    Exists(PathBuf),
    #[error(transparent)]
    Carried(#[from] CarriedError),
}

pub(super) fn export(folder: &Path) -> io::Result<i32> {
    match source(folder) {
        Ok(from) => {
            copy(&from, folder)?;
            writeln!(anstream::stdout(), "{}", folder.display())?;
            Ok(exit::AS_EXPECTED)
        }
        Err(error) => Ok(wrong_input(&error)),
    }
}

fn source(folder: &Path) -> Result<PathBuf, ExportError> {
    if folder.exists() {
        return Err(ExportError::Exists(folder.to_owned()));
    }
    carried::folder()?.ok_or(ExportError::NothingCarried)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
