//! Downloads a file by HTTP with resumption, and verifies its SHA-256.
//!
//! When the connection breaks, the received part stays in the cache and the next attempt requests the rest. If a server
//! ignores the range and sends the whole file, the part is replaced. A complete download with the wrong hash is
//! deleted, because continuing it cannot succeed.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Progress, Watch};
use crate::cache::CacheError;

/// The timeout of a download without any received byte.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The request failed, or the server refused it.
    #[error("the request failed")]
    Request(#[source] Box<ureq::Error>),
    /// The connection broke or timed out.
    #[error("the connection broke after {got} bytes: run the command again to continue there")]
    Interrupted {
        /// The number of bytes that are kept.
        got: u64,
        /// The error of the connection.
        source: io::Error,
    },
    /// The file does not have the hash in the profile.
    #[error(
        "its sha256 is {found}, not {expected}: if the publisher replaced the file on purpose, change the profile"
    )]
    Checksum {
        /// The hash in the profile.
        expected: String,
        /// The hash of the download.
        found: String,
    },
    /// The file does not have the hash recorded at the first download.
    #[error(
        "its sha256 is {found}, but {} has {expected}: if the publisher replaced the file on purpose, remove that record",
        .record.display()
    )]
    Replaced {
        /// The recorded hash.
        expected: String,
        /// The hash of the download.
        found: String,
        /// The file with the recorded hash.
        record: PathBuf,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Disk(#[from] CacheError),
}

/// Downloads `url` into `folder`, verifies it, and returns its path and hash. `idle_timeout` limits the time without
/// any received byte.
///
/// Without `sha256`, the hash in the [`record`] is expected, if there is one. The caller writes the record after it has
/// found the content to be good, so that a damaged first download does not make every later one fail.
pub(super) fn fetch(
    url: &str,
    sha256: Option<&str>,
    folder: &Path,
    idle_timeout: Duration,
    watch: Watch<'_>,
) -> Result<(PathBuf, String), DownloadError> {
    let path = folder.join(file_name(url, sha256));
    let expected = match sha256 {
        Some(sha256) => Some(sha256.to_ascii_lowercase()),
        None => fs::read_to_string(record(&path))
            .ok()
            .map(|text| text.trim().to_owned()),
    };
    let right = |found: &String| expected.as_ref().is_none_or(|expected| expected == found);
    if let Some(found) = hash(&path).ok().filter(right) {
        return Ok((path, found));
    }
    let part = path.with_extension("part");
    download(url, &part, idle_timeout, watch)?;
    let found = hash(&part).map_err(CacheError::writing(&part))?;
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        let _ = fs::remove_file(&part);
        return Err(match sha256 {
            Some(_) => DownloadError::Checksum { expected, found },
            None => DownloadError::Replaced {
                expected,
                found,
                record: record(&path),
            },
        });
    }
    fs::rename(&part, &path).map_err(CacheError::writing(&path))?;
    Ok((path, found))
}

/// The name of a download in its folder: its hash, or the hash of its URL if its own is not published.
pub(super) fn file_name(url: &str, sha256: Option<&str>) -> String {
    sha256.map_or_else(|| crate::cache::sha256(url.as_bytes()), str::to_ascii_lowercase)
}

/// The file that records the hash of a download whose publisher gives none.
pub(super) fn record(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

fn download(url: &str, part: &Path, idle_timeout: Duration, watch: Watch<'_>) -> Result<(), DownloadError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(idle_timeout))
        .timeout_recv_response(Some(idle_timeout))
        .http_status_as_error(false)
        .build()
        .into();
    let have = fs::metadata(part).map_or(0, |meta| meta.len());
    let request = agent.get(url).header("Range", format!("bytes={have}-"));
    let (head, body) = request
        .call()
        .map_err(|error| DownloadError::Request(Box::new(error)))?
        .into_parts();
    let status = head.status.as_u16();
    // 416: the part is already complete, or too long. The hash shows which.
    if status == 416 {
        return Ok(());
    }
    if status != 200 && status != 206 {
        return Err(DownloadError::Request(Box::new(ureq::Error::StatusCode(status))));
    }
    let mut got = if status == 206 { have } else { 0 };
    let total = body.content_length().map(|rest| rest + got);
    let mut file = File::options()
        .create(true)
        .append(status == 206)
        .write(true)
        .truncate(status == 200)
        .open(part)
        .map_err(CacheError::writing(part))?;
    let chunks = receive(body);
    loop {
        let timed_out = |_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                "the server sent nothing within the timeout",
            )
        };
        let chunk = chunks.recv_timeout(idle_timeout).map_err(timed_out).flatten();
        let chunk = chunk.map_err(|source| DownloadError::Interrupted { got, source })?;
        if chunk.is_empty() {
            break;
        }
        file.write_all(&chunk).map_err(CacheError::writing(part))?;
        got += chunk.len() as u64;
        watch(Progress::Downloading(
            url,
            total.map_or(0.0, |total| got as f32 / total as f32),
        ));
    }
    match total {
        Some(total) if got < total => {
            let source = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the server announced {total} bytes"),
            );
            Err(DownloadError::Interrupted { got, source })
        }
        _ => Ok(()),
    }
}

/// Reads the body in a thread and sends its chunks, the last of which is empty. The HTTP client has a timeout only for
/// the whole body, and no value suits a file of unknown size. A receiver of chunks can time out between any two; the
/// thread then ends with the process.
fn receive(body: ureq::Body) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, chunks) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut body = body.into_reader();
        loop {
            let mut chunk = vec![0; 1 << 16];
            let read = body.read(&mut chunk).map(|count| {
                chunk.truncate(count);
                chunk
            });
            let last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
            if sender.send(read).is_err() || last {
                return;
            }
        }
    });
    chunks
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(HEXLOWER.encode(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::cache::sha256;

    const CONTENT: &[u8] = b"a kernel of some length";

    /// Serves one request for each function in `answers`, which gets the start of the request's range and returns the
    /// bytes of the response. Afterwards the listener is closed. With `hold`, connections stay open after the response.
    fn serve(answers: Vec<fn(usize) -> Vec<u8>>, hold: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/kernel", listener.local_addr().unwrap());
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut from = 0;
                for line in BufReader::new(&stream)
                    .lines()
                    .map(Result::unwrap)
                    .take_while(|line| !line.is_empty())
                {
                    if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                        from = range.trim_end_matches('-').parse().unwrap();
                    }
                }
                stream.write_all(&answer(from)).unwrap();
                if hold {
                    // Until the client times out and closes.
                    let _ = stream.read(&mut [0]);
                }
            }
        });
        url
    }

    fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        bytes.extend(body);
        bytes
    }

    fn get(url: &str, folder: &Path, idle_timeout: Duration) -> Result<PathBuf, DownloadError> {
        fetch(url, Some(&sha256(CONTENT)), folder, idle_timeout, &mut |_| ()).map(|(path, _)| path)
    }

    #[test]
    fn an_interrupted_download_is_continued_and_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(
            vec![|_| answer("200 OK", CONTENT.len(), &CONTENT[..9]), |from| {
                assert_eq!(from, 9);
                answer("206 Partial Content", CONTENT.len() - from, &CONTENT[from..])
            }],
            false,
        );
        let cut = get(&url, folder.path(), IDLE_TIMEOUT).unwrap_err();
        assert!(
            matches!(cut, DownloadError::Interrupted { got: 9, .. }),
            "{cut:?}"
        );
        let path = get(&url, folder.path(), IDLE_TIMEOUT).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        // The server is gone, but the file is in the cache.
        assert_eq!(get(&url, folder.path(), IDLE_TIMEOUT).unwrap(), path);
        fs::write(&path, "damaged").unwrap();
        assert!(matches!(
            get(&url, folder.path(), IDLE_TIMEOUT),
            Err(DownloadError::Request(_))
        ));
    }

    #[test]
    fn a_server_without_ranges_replaces_the_part() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(
            folder.path().join(format!("{}.part", sha256(CONTENT))),
            &CONTENT[..4],
        )
        .unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), CONTENT)], false);
        assert_eq!(
            fs::read(get(&url, folder.path(), IDLE_TIMEOUT).unwrap()).unwrap(),
            CONTENT
        );
    }

    #[test]
    fn a_file_with_another_hash_is_refused_and_deleted() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("200 OK", 5, b"other")], false);
        let error = get(&url, folder.path(), IDLE_TIMEOUT).unwrap_err();
        assert!(
            matches!(&error, DownloadError::Checksum { found, .. } if *found == sha256(b"other")),
            "{error:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_without_a_published_hash_must_match_the_record() {
        let folder = tempfile::TempDir::new().unwrap();
        let whole: fn(usize) -> Vec<u8> = |_| answer("200 OK", CONTENT.len(), CONTENT);
        let url = serve(vec![whole, |_| answer("200 OK", 5, b"other")], false);
        let get = || fetch(&url, None, folder.path(), IDLE_TIMEOUT, &mut |_| ());
        let (path, found) = get().unwrap();
        assert_eq!(found, sha256(CONTENT));
        fs::write(record(&path), &found).unwrap();
        assert_eq!(
            get().unwrap(),
            (path.clone(), found),
            "nothing is requested again"
        );
        fs::remove_file(&path).unwrap();
        let error = get().unwrap_err();
        let named = record(&path).display().to_string();
        assert!(error.to_string().contains(&named), "{error}");
        assert!(
            matches!(&error, DownloadError::Replaced { expected, .. } if *expected == sha256(CONTENT)),
            "{error:?}"
        );
    }

    #[test]
    fn a_silent_server_times_out_and_the_part_is_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), &CONTENT[..9])], true);
        let error = get(&url, folder.path(), Duration::from_millis(200)).unwrap_err();
        assert!(
            matches!(error, DownloadError::Interrupted { got: 9, .. }),
            "{error:?}"
        );
        let part = folder.path().join(format!("{}.part", sha256(CONTENT)));
        assert_eq!(fs::read(part).unwrap(), &CONTENT[..9]);
    }

    #[test]
    fn the_error_of_a_full_disk_says_what_to_do() {
        let folder = tempfile::TempDir::new().unwrap();
        // Every write to this device fails as on a full disk.
        let part = folder.path().join(format!("{}.part", sha256(CONTENT)));
        std::os::unix::fs::symlink("/dev/full", part).unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), CONTENT)], false);
        let error = get(&url, folder.path(), IDLE_TIMEOUT).unwrap_err().to_string();
        assert!(
            error.starts_with("no space for ") && error.contains("REUSESPEC_CACHE"),
            "{error}"
        );
    }

    #[test]
    fn a_refused_request_is_an_error() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("404 Not Found", 0, b"")], false);
        assert!(
            get(&url, folder.path(), IDLE_TIMEOUT)
                .unwrap_err()
                .to_string()
                .contains("request failed")
        );
    }
}
