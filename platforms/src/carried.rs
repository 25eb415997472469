//! The archive that is appended to a released executable: scenarios, implementations and an agent.
//!
//! `ci dist` appends a compressed archive to the executable, and the program unpacks it into the cache when it finds no
//! checkout. Appended and not compiled in, because a changed scenario must not cost a build. The last bytes of the file say
//! whether there is an archive:
//!
//! ```text
//! program … archive (tar, gzip) … SHA-256 of the archive (32 bytes) | its length (8 bytes, little-endian) | MAGIC
//! ```

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, CacheError};

/// The last bytes of a program that carries data.
const MAGIC: &[u8; 16] = b"reusespec-data-1";
/// SHA-256, length and magic.
const TRAILER: usize = 32 + 8 + MAGIC.len();

/// The program's data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    /// The program's own file, or the unpacked data, cannot be read or written.
    #[error("cannot unpack the data that the program carries")]
    Unusable(#[from] io::Error),
    /// The archive is not what was appended.
    #[error("the data that the program carries is damaged; install the program again")]
    Damaged,
    /// There is no cache folder to unpack into.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A file of the archive.
#[derive(Debug)]
pub struct Entry {
    /// Its path in the archive.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether it is a program.
    pub executable: bool,
}

/// The folder with the data of the running program, unpacked by the first call; `None` if it carries none.
///
/// # Errors
/// When the data is damaged or cannot be unpacked.
pub fn folder() -> Result<Option<PathBuf>, CarriedError> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(Some(folder.clone()));
    }
    let Some((digest, archive)) = read(&env::current_exe()?)? else {
        return Ok(None);
    };
    let cache = Cache::from_environment()?;
    let folder = unpack(cache.root(), &digest, archive)?;
    Ok(Some(FOLDER.get_or_init(|| folder).clone()))
}

/// A program with an archive of these files behind its end.
///
/// # Errors
/// When the archive cannot be compressed.
pub fn append(program: &[u8], entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.content.len() as u64);
        header.set_mode(if entry.executable { 0o755 } else { 0o644 });
        archive.append_data(&mut header, &entry.path, &*entry.content)?;
    }
    let archive = archive.into_inner()?.finish()?;
    let length = (archive.len() as u64).to_le_bytes();
    Ok([program, &archive, &Sha256::digest(&archive)[..], &length, MAGIC].concat())
}

/// The SHA-256 of the archive in this file, and the part of the file that is the archive; `None` if it has none.
fn read(program: &Path) -> io::Result<Option<([u8; 32], io::Take<File>)>> {
    let mut file = File::open(program)?;
    let length = file.metadata()?.len();
    if length < TRAILER as u64 {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER];
    file.seek(SeekFrom::End(-(TRAILER as i64)))?;
    file.read_exact(&mut trailer)?;
    let (digest, rest) = trailer.split_at(32);
    let (archive_length, magic) = rest.split_at(8);
    if magic != MAGIC {
        return Ok(None);
    }
    let digest = digest.try_into().expect("the trailer was split at 32 bytes");
    let archive_length = u64::from_le_bytes(archive_length.try_into().expect("eight bytes are left"));
    let begin = (length - TRAILER as u64).checked_sub(archive_length);
    let begin = begin.ok_or_else(|| io::Error::other("the archive is longer than the file"))?;
    file.seek(SeekFrom::Start(begin))?;
    Ok(Some((digest, file.take(archive_length))))
}

/// Unpacks an archive below `root`, in a folder that is named after its content.
fn unpack(root: &Path, digest: &[u8; 32], mut archive: impl Read) -> Result<PathBuf, CarriedError> {
    let folder = root
        .join("carried")
        .join(&data_encoding::HEXLOWER.encode(digest)[..16]);
    if folder.is_dir() {
        return Ok(folder);
    }
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes)?;
    if Sha256::digest(&bytes)[..] != digest[..] {
        return Err(CarriedError::Damaged);
    }
    let parent = root.join("carried");
    fs::create_dir_all(&parent)?;
    let fresh = tempfile::tempdir_in(&parent)?;
    tar::Archive::new(GzDecoder::new(&*bytes)).unpack(fresh.path())?;
    // The rename fails if another run was faster. Then its folder is used.
    if fs::rename(fresh.path(), &folder).is_ok() {
        let _ = fresh.keep();
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, bytes: &[u8]) -> PathBuf {
        let path = folder.join("program");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn entries() -> [Entry; 2] {
        let entry = |path: &str, executable| Entry {
            path: path.into(),
            content: path.as_bytes().to_vec(),
            executable,
        };
        [entry("scenarios/a.toml", false), entry("agents/t/agent", true)]
    }

    #[test]
    fn what_is_appended_is_unpacked_once() {
        let folder = tempfile::tempdir().unwrap();
        let whole = append(b"the program itself", &entries()).unwrap();
        assert!(whole.starts_with(b"the program itself"));
        let path = program(folder.path(), &whole);
        let (digest, archive) = read(&path).unwrap().unwrap();
        let data = unpack(folder.path(), &digest, archive).unwrap();
        assert_eq!(
            fs::read(data.join("scenarios/a.toml")).unwrap(),
            b"scenarios/a.toml"
        );
        assert!(data.join("agents/t/agent").is_file());
        // The second time nothing is read.
        assert_eq!(unpack(folder.path(), &digest, io::empty()).unwrap(), data);
    }

    #[test]
    fn a_program_without_data_carries_none() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], &[0; 500]] {
            assert!(read(&program(folder.path(), bytes)).unwrap().is_none());
        }
    }

    #[test]
    fn damaged_data_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut whole = append(b"", &entries()).unwrap();
        whole[20] ^= 1;
        let (digest, archive) = read(&program(folder.path(), &whole)).unwrap().unwrap();
        let error = unpack(folder.path(), &digest, archive).unwrap_err();
        assert!(matches!(error, CarriedError::Damaged), "{error}");
    }
}
