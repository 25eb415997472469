//! The Debian packages that tests and nightly jobs use: those of the platforms' emulators and of the implementations.
//!
//! `.ci/run` installs them. Each platform and each profile names its own, so that no list has to be kept in step.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use reusespec::implementations::{self, ProfiledImplementation};

use crate::matrix;

/// Returns the packages, each once.
///
/// The packages of an implementation are left out if its programs are installed some other way, except libraries: no
/// program shows whether they are installed.
///
/// # Errors
/// When a profile cannot be read.
pub(crate) fn all() -> io::Result<BTreeSet<String>> {
    let emulators = matrix::jobs().into_iter().map(|job| job.packages.to_owned());
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let profiles = implementations::load(&scenarios).map_err(io::Error::other)?;
    let packages = emulators.chain(profiles.iter().flat_map(needed));
    Ok(packages.filter(|package| !package.is_empty()).collect())
}

fn needed(implementation: &ProfiledImplementation) -> Vec<String> {
    let is_installed = implementation.missing().is_none();
    let packages = implementation.profile.packages.iter();
    let needed = packages.filter(|package| !is_installed || package.ends_with("-dev"));
    needed.cloned().collect()
}
