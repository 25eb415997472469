//! The saved state of a guest that is ready: written after the first boot, restored by later ones.
//!
//! Neighbours: `monitor` writes it, `guest` restores it and falls back to a boot when that fails.
//!
//! A state is never looked at to see whether it fits; it is found under a hash of everything it depends on, or not
//! at all: QEMU's binary, the command line, the contents of kernel, initramfs and root image (and so of the agent), and this
//! boot of the host, since the guest's TSC is calibrated against the host's. So the first run after a restart of the
//! host boots the guest once more, and nothing stale can be used.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::cache::{Blob, Cache, checksum, intact, sha256};

/// States kept per boot of the host: 20 to 60 MB each, and every new build of the agent makes one.
const MAX_STATES: usize = 12;

/// Where one state is, or would be.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    state: PathBuf,
    note: PathBuf,
}

/// What a state depends on.
pub(super) struct Key<'a> {
    /// QEMU's binary.
    pub(super) program: &'a Path,
    /// The command line without the paths of kernel and initramfs.
    pub(super) arguments: &'a [String],
    /// Hashes of the files behind these paths.
    pub(super) contents: [&'a str; 3],
}

impl Slot {
    /// The place for `key`. `None`: states cannot be told apart here, because the host does not say when it booted or
    /// QEMU's binary cannot be examined.
    pub(super) fn find(cache: &Cache, key: &Key<'_>) -> Option<Self> {
        let boot = host_boot()?;
        let binary = fs::metadata(key.program).ok()?;
        let changed = binary.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let identity = format!(
            "1 {} {} {} {:?} {:?}",
            key.program.display(),
            binary.len(),
            changed.as_nanos(),
            key.arguments,
            key.contents
        );
        let stem = cache
            .root()
            .join("states")
            .join(boot)
            .join(&sha256(identity.as_bytes())[..16]);
        Some(Self {
            state: stem.with_extension("state"),
            note: stem.with_extension("json"),
        })
    }

    /// The state's path if there is one and it is undamaged.
    pub(super) fn load(&self) -> Option<&Path> {
        let blob: Blob = serde_json::from_slice(&fs::read(&self.note).ok()?).ok()?;
        intact(&self.state, &blob).then_some(self.state.as_path())
    }

    /// Have `save` write the state to the path it is given, then keep it.
    pub(super) fn keep(&self, save: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
        let folder = self.state.parent().expect("a slot is in a folder");
        fs::create_dir_all(folder)?;
        prune(folder);
        let part = tempfile::Builder::new().prefix(".saving-").tempfile_in(folder)?;
        save(&part.path().to_string_lossy())?;
        let (crc32, bytes) = checksum(part.path())?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let note = serde_json::to_vec(&Blob {
            sha256: String::new(),
            crc32,
            bytes,
        })
        .expect("plain data");
        let written = tempfile::Builder::new().prefix(".saving-").tempfile_in(folder)?;
        fs::write(written.path(), note)?;
        // A reader between the two finds a note that does not fit, and boots.
        part.persist(&self.state).map_err(|error| error.error)?;
        written.persist(&self.note).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forget the state: it did not come up.
    pub(super) fn discard(&self) {
        let _ = fs::remove_file(&self.note);
        let _ = fs::remove_file(&self.state);
    }
}

/// What identifies this boot of the host (random(4)); only Linux says so.
pub(super) fn host_boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Remove what no run will ask for again: states of earlier boots of the host, and the oldest of this one.
fn prune(folder: &Path) {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for other in folder
        .parent()
        .into_iter()
        .flat_map(entries)
        .filter(|other| other.path() != folder)
    {
        let _ = fs::remove_dir_all(other.path());
    }
    let mut states: Vec<_> = entries(folder)
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "state"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    states.sort();
    for (_, path) in states.iter().take(states.len().saturating_sub(MAX_STATES - 1)) {
        let _ = fs::remove_file(path.with_extension("json"));
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(cache: &Cache, arguments: &[&str], contents: [&str; 3]) -> Slot {
        let program = std::env::current_exe().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Slot::find(
            cache,
            &Key {
                program: &program,
                arguments: &arguments,
                contents,
            },
        )
        .unwrap()
    }

    #[test]
    fn a_state_is_found_again_only_under_everything_it_depends_on() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        slot(&cache, &["-m", "256"], ["kernel", "agent", "root"])
            .keep(|path| fs::write(path, "memory"))
            .unwrap();
        assert!(
            slot(&cache, &["-m", "256"], ["kernel", "agent", "root"])
                .load()
                .is_some()
        );
        assert!(
            slot(&cache, &["-m", "512"], ["kernel", "agent", "root"])
                .load()
                .is_none()
        );
        assert!(
            slot(&cache, &["-m", "256"], ["kernel", "agent 2", "root"])
                .load()
                .is_none()
        );
        assert!(
            slot(&cache, &["-m", "256"], ["kernel 2", "agent", "root"])
                .load()
                .is_none()
        );
    }

    #[test]
    fn a_damaged_or_half_saved_state_is_not_used() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let slot = slot(&cache, &[], ["", "", ""]);
        slot.keep(|path| fs::write(path, "memory")).unwrap();
        fs::write(&slot.state, "memoro").unwrap();
        assert!(slot.load().is_none());
        slot.keep(|path| fs::write(path, "memory")).unwrap();
        slot.keep(|_| Err(io::ErrorKind::TimedOut.into())).unwrap_err();
        assert!(slot.load().is_some(), "a failed attempt leaves the former state");
    }

    #[test]
    fn old_states_and_those_of_earlier_boots_are_removed() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let earlier = folder.path().join("states/earlier");
        fs::create_dir_all(&earlier).unwrap();
        for count in 0..MAX_STATES + 3 {
            slot(&cache, &[&count.to_string()], ["", "", ""])
                .keep(|path| fs::write(path, "memory"))
                .unwrap();
        }
        let newest = slot(&cache, &[&(MAX_STATES + 2).to_string()], ["", "", ""]);
        assert!(newest.load().is_some() && !earlier.exists());
        assert_eq!(
            fs::read_dir(newest.state.parent().unwrap()).unwrap().count(),
            2 * MAX_STATES
        );
    }
}
