//! Stores the saved states of booted guests, for warm starts.
//!
//! `monitor` writes a state, and `guest` restores it. If the restore fails, `guest` boots instead.
//!
//! A state is stored under a hash of everything it depends on, so a stale state cannot be found: QEMU's binary, the
//! command line, the contents of kernel, initramfs and root image (and so of the agent), and the boot of the host,
//! because the guest's TSC is calibrated against the host's. The first run after a reboot of the host therefore boots
//! its guests.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::cache::{Blob, Cache, checksum, intact, sha256};

/// Limits the stored states. One takes 20 to 60 MB, and each build of the agent causes new ones.
const MAX_STATES: usize = 12;

/// The place of one state, which may or may not exist.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    state: PathBuf,
    note: PathBuf,
}

/// Everything that a state depends on besides the boot of the host.
pub(super) struct Key<'a> {
    /// QEMU's binary.
    pub(super) program: &'a Path,
    /// The command line without the paths of kernel and initramfs.
    pub(super) arguments: &'a [String],
    /// Hashes of the files behind these paths.
    pub(super) contents: [&'a str; 3],
}

impl Slot {
    /// The place for `key`. Returns `None` if states cannot be identified: the host does not tell its boot id, or
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

    /// The state's path, if the state exists and is undamaged.
    pub(super) fn load(&self) -> Option<&Path> {
        let blob: Blob = serde_json::from_slice(&fs::read(&self.note).ok()?).ok()?;
        intact(&self.state, &blob).then_some(self.state.as_path())
    }

    /// Stores the state that `save` writes to the path it is given.
    pub(super) fn store(&self, save: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
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
        // A reader between these two lines finds a checksum that does not match, and boots.
        part.persist(&self.state).map_err(|error| error.error)?;
        written.persist(&self.note).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes the state, because it could not be restored.
    pub(super) fn discard(&self) {
        let _ = fs::remove_file(&self.note);
        let _ = fs::remove_file(&self.state);
    }
}

/// The id of this boot of the host (random(4)). Only Linux has one.
pub(super) fn host_boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Removes the states of earlier boots of the host, and the oldest ones of this boot.
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
    fn a_state_is_found_only_with_the_same_dependencies() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        slot(&cache, &["-m", "256"], ["kernel", "agent", "root"])
            .store(|path| fs::write(path, "memory"))
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
    fn a_damaged_or_incomplete_state_is_not_used() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let slot = slot(&cache, &[], ["", "", ""]);
        slot.store(|path| fs::write(path, "memory")).unwrap();
        fs::write(&slot.state, "memoro").unwrap();
        assert!(slot.load().is_none());
        slot.store(|path| fs::write(path, "memory")).unwrap();
        slot.store(|_| Err(io::ErrorKind::TimedOut.into())).unwrap_err();
        assert!(slot.load().is_some(), "a failed attempt leaves the former state");
    }

    #[test]
    fn the_oldest_states_and_those_of_earlier_boots_are_removed() {
        let folder = tempfile::TempDir::new().unwrap();
        let cache = Cache::at(folder.path());
        let earlier = folder.path().join("states/earlier");
        fs::create_dir_all(&earlier).unwrap();
        for count in 0..MAX_STATES + 3 {
            slot(&cache, &[&count.to_string()], ["", "", ""])
                .store(|path| fs::write(path, "memory"))
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
