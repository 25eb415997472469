//! A file of a web server, known by its SHA-256: downloaded with resumption, verified, kept.
//!
//! The part that has arrived stays in the cache when the connection breaks, and the next attempt asks for the rest.
//! A server that ignores the range sends everything again and is believed. What has the wrong hash is deleted, since
//! continuing it could never succeed.

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

/// No byte for this long ends a download.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The request failed or was refused.
    #[error("the request failed")]
    Request(#[source] Box<ureq::Error>),
    /// The connection broke or fell silent.
    #[error("the connection broke after {got} bytes: run it again to continue there")]
    Cut {
        /// Bytes kept.
        got: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "its sha256 is {found}, and {expected} is expected: if the file was replaced on purpose, say so in the profile"
    )]
    Checksum {
        /// What the profile says.
        expected: String,
        /// What arrived.
        found: String,
    },
    /// It is something else than it was before.
    #[error("its sha256 is {found}, and {} has {expected}: if the file was replaced on purpose, remove that one", .record.display())]
    Replaced {
        /// What was recorded.
        expected: String,
        /// What arrived.
        found: String,
        /// Where it was recorded.
        record: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] CacheError),
}

/// The file behind `url`, in `folder` under its hash. `silence` is how long the server may send nothing.
pub(super) fn fetch(
    url: &str,
    sha256: &str,
    folder: &Path,
    silence: Duration,
    watch: Watch<'_>,
) -> Result<PathBuf, DownloadError> {
    fetch_recorded(url, Some(sha256), folder, silence, watch).map(|(path, _)| path)
}

/// The same with its hash. Where none is given, that of its [`record`] holds; whoever has found the content to be good writes
/// that, so that a bad first download does not stand in the way of a good second one.
pub(super) fn fetch_recorded(
    url: &str,
    sha256: Option<&str>,
    folder: &Path,
    silence: Duration,
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
    download(url, &part, silence, watch)?;
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

/// What a download is called in its folder: its hash, or that of its address where nobody knows its own.
pub(super) fn file_name(url: &str, sha256: Option<&str>) -> String {
    sha256.map_or_else(|| crate::cache::sha256(url.as_bytes()), str::to_ascii_lowercase)
}

/// Where the hash of a download is kept that nobody has published.
pub(super) fn record(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

fn download(url: &str, part: &Path, silence: Duration, watch: Watch<'_>) -> Result<(), DownloadError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(silence))
        .timeout_recv_response(Some(silence))
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
    // 416: the part is the whole file already, or longer than it; the checksum decides.
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
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "nothing came for a while");
        let chunk = chunks.recv_timeout(silence).map_err(silent).flatten();
        let chunk = chunk.map_err(|source| DownloadError::Cut { got, source })?;
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
                format!("{total} bytes were announced"),
            );
            Err(DownloadError::Cut { got, source })
        }
        _ => Ok(()),
    }
}

/// The body in pieces, an empty one at its end. The client has a limit on the whole body only, and no good one exists
/// for a file of unknown size; so a thread reads, and whoever waits for it can give up (it ends with the process).
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

    /// A server for one request per answer; each gets the request's `Range` and is written back as it is. After the
    /// last one the listener is closed. What follows `hold` is kept open instead of closed.
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
                    // Until the client gives up and closes.
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

    fn get(url: &str, folder: &Path, silence: Duration) -> Result<PathBuf, DownloadError> {
        fetch(url, &sha256(CONTENT), folder, silence, &mut |_| ())
    }

    #[test]
    fn a_download_that_was_cut_goes_on_where_it_ended_and_is_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(
            vec![|_| answer("200 OK", CONTENT.len(), &CONTENT[..9]), |from| {
                assert_eq!(from, 9);
                answer("206 Partial Content", CONTENT.len() - from, &CONTENT[from..])
            }],
            false,
        );
        let cut = get(&url, folder.path(), SILENCE).unwrap_err();
        assert!(matches!(cut, DownloadError::Cut { got: 9, .. }), "{cut:?}");
        let path = get(&url, folder.path(), SILENCE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        // The server is gone; nothing is asked of it.
        assert_eq!(get(&url, folder.path(), SILENCE).unwrap(), path);
        fs::write(&path, "damaged").unwrap();
        assert!(matches!(
            get(&url, folder.path(), SILENCE),
            Err(DownloadError::Request(_))
        ));
    }

    #[test]
    fn a_server_that_knows_no_ranges_sends_everything_again() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(
            folder.path().join(format!("{}.part", sha256(CONTENT))),
            &CONTENT[..4],
        )
        .unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), CONTENT)], false);
        assert_eq!(
            fs::read(get(&url, folder.path(), SILENCE).unwrap()).unwrap(),
            CONTENT
        );
    }

    #[test]
    fn another_content_is_refused_and_not_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("200 OK", 5, b"other")], false);
        let error = get(&url, folder.path(), SILENCE).unwrap_err();
        assert!(
            matches!(&error, DownloadError::Checksum { found, .. } if *found == sha256(b"other")),
            "{error:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_nobody_gave_a_hash_for_is_recorded_and_must_stay_the_same() {
        let folder = tempfile::TempDir::new().unwrap();
        let whole: fn(usize) -> Vec<u8> = |_| answer("200 OK", CONTENT.len(), CONTENT);
        let url = serve(vec![whole, |_| answer("200 OK", 5, b"other")], false);
        let get = || fetch_recorded(&url, None, folder.path(), SILENCE, &mut |_| ());
        let (path, found) = get().unwrap();
        assert_eq!(found, sha256(CONTENT));
        fs::write(record(&path), &found).unwrap();
        assert_eq!(
            get().unwrap(),
            (path.clone(), found),
            "nothing is asked for again"
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
    fn a_server_that_falls_silent_is_given_up_and_the_part_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), &CONTENT[..9])], true);
        let error = get(&url, folder.path(), Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, DownloadError::Cut { got: 9, .. }), "{error:?}");
        let part = folder.path().join(format!("{}.part", sha256(CONTENT)));
        assert_eq!(fs::read(part).unwrap(), &CONTENT[..9]);
    }

    #[test]
    fn a_full_disk_is_said_with_a_way_out() {
        let folder = tempfile::TempDir::new().unwrap();
        // Whatever is written to this device meets a full disk.
        let part = folder.path().join(format!("{}.part", sha256(CONTENT)));
        std::os::unix::fs::symlink("/dev/full", part).unwrap();
        let url = serve(vec![|_| answer("200 OK", CONTENT.len(), CONTENT)], false);
        let error = get(&url, folder.path(), SILENCE).unwrap_err().to_string();
        assert!(
            error.starts_with("no space for ") && error.contains("REUSESPEC_CACHE"),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_is_an_error_with_the_status() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = serve(vec![|_| answer("404 Not Found", 0, b"")], false);
        assert!(
            get(&url, folder.path(), SILENCE)
                .unwrap_err()
                .to_string()
                .contains("request failed")
        );
    }
}
