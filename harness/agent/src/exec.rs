//! Runs a user's program in a guest, for `reusespec exec`: receives its files and standard input, and sends its output as
//! it appears.
//!
//! This is allowed in guests only, because the request places files anywhere, `/lib64` included. The three pipes and the
//! exit status take a thread each. The agent must have one thread only where it forks cases, and here it runs none.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reusespec_core::protocol::{Content, Ended, Exec, Reply, Request, Stream};

use crate::init;

/// The time in which processes that the program has left running may still print after its end.
const LATE_OUTPUT: Duration = Duration::from_millis(500);
/// The limit of output bytes in one line to the host.
const CHUNK_BYTES: usize = 16 * 1024;

/// Places the files, runs the program and sends its output and end. `content` has the bytes of the files, one after the
/// other, then [`Request::Stdin`] lines.
///
/// # Errors
/// Fails only if `send` fails. Other errors are sent as [`Ended::NotStarted`].
pub(crate) fn execute(
    exec: &Exec,
    mut content: impl BufRead + Send + 'static,
    send: &mut dyn FnMut(&Reply) -> io::Result<()>,
) -> io::Result<()> {
    let ended = match write_files(exec, &mut content).and_then(|()| run(exec, content, send)) {
        Ok(ended) => ended,
        Err(error) => Ended::NotStarted(error.to_string()),
    };
    send(&Reply::Ended(ended))
}

/// Writes the files of the request.
fn write_files(exec: &Exec, content: &mut impl Read) -> io::Result<()> {
    for file in &exec.files {
        let with_path = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.path));
        let path = Path::new(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(with_path)?;
        }
        match &file.content {
            Content::Link(to) => symlink(to, path).map_err(with_path)?,
            Content::Bytes { count, mode } => {
                // An existing file may be an executable in use, or a link to a file elsewhere.
                let _ = fs::remove_file(path);
                let mut target = File::create(path).map_err(with_path)?;
                let copied = io::copy(&mut content.by_ref().take(*count), &mut target).map_err(with_path)?;
                if copied < *count {
                    return Err(with_path(io::ErrorKind::UnexpectedEof.into()));
                }
                target
                    .set_permissions(fs::Permissions::from_mode(*mode))
                    .map_err(with_path)?;
            }
        }
    }
    Ok(())
}

/// Appends a piece of a program to its file, which it creates.
///
/// # Errors
/// Outside a guest, and when the file cannot be written.
pub(crate) fn append(path: &str, hexadecimal: &str) -> io::Result<()> {
    if !init::in_guest() {
        return Err(io::Error::other("programs are installed in guests only"));
    }
    let with_path = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
    let bytes = HEXLOWER
        .decode(hexadecimal.as_bytes())
        .map_err(io::Error::other)?;
    if let Some(folder) = Path::new(path).parent() {
        fs::create_dir_all(folder).map_err(with_path)?;
    }
    let mut options = File::options();
    let mut file = options
        .append(true)
        .create(true)
        .mode(0o755)
        .open(path)
        .map_err(with_path)?;
    file.write_all(&bytes).map_err(with_path)
}

/// What the threads report.
enum Event {
    Output(Stream, Vec<u8>),
    Exited(io::Result<ExitStatus>),
}

/// Runs the program until it ends or reaches its time limit, then kills its process group.
fn run(
    exec: &Exec,
    input: impl BufRead + Send + 'static,
    send: &mut dyn FnMut(&Reply) -> io::Result<()>,
) -> io::Result<Ended> {
    let mut child = spawn(exec)?;
    let stdin = child.stdin.take();
    thread::spawn(move || feed(input, stdin));
    let group = Pid::from_raw(child.id().cast_signed());
    let (sender, events) = channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let of_stdout = sender.clone();
    thread::spawn(move || stdout.map(|pipe| forward(Stream::Stdout, pipe, &of_stdout)));
    let of_stderr = sender.clone();
    thread::spawn(move || stderr.map(|pipe| forward(Stream::Stderr, pipe, &of_stderr)));
    thread::spawn(move || sender.send(Event::Exited(child.wait())));
    let mut deadline = Instant::now() + Duration::from_millis(exec.limit_ms);
    let mut ended = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Output(stream, bytes)) => send(&Reply::Output {
                stream,
                hexadecimal: HEXLOWER.encode(&bytes),
            })?,
            Ok(Event::Exited(status)) => {
                ended.get_or_insert(end_of(status?));
                deadline = Instant::now() + LATE_OUTPUT;
            }
            // Both pipes are closed and the status is known.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {
                ended = Some(Ended::TooLate);
                deadline = Instant::now() + LATE_OUTPUT;
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
    }
    let _ = killpg(group, Signal::SIGKILL);
    Ok(ended.unwrap_or(Ended::TooLate))
}

/// Starts the program in its own process group, with pipes for its output.
fn spawn(exec: &Exec) -> io::Result<Child> {
    Command::new(&exec.program)
        .args(&exec.arguments)
        .env_clear()
        .envs(exec.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&exec.folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", exec.program)))
}

/// Writes the pieces of standard input to the program until their end. If the program has closed it, the pieces are still
/// read, so that the channel does not fill.
fn feed(mut input: impl BufRead, mut stdin: Option<ChildStdin>) {
    let mut line = String::new();
    while input.read_line(&mut line).is_ok_and(|count| count > 0) {
        let Ok(Request::Stdin { hexadecimal }) = serde_json::from_str(&line) else {
            eprintln!("reusespec-agent: not a piece of standard input: {line:.80}");
            return;
        };
        line.clear();
        match HEXLOWER.decode(hexadecimal.as_bytes()) {
            Ok(bytes) if !bytes.is_empty() => {
                if stdin
                    .as_mut()
                    .is_some_and(|stdin| stdin.write_all(&bytes).is_err())
                {
                    stdin = None;
                }
            }
            Ok(_) | Err(_) => return,
        }
    }
}

fn end_of(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

/// Sends the bytes of a pipe as events until it is closed.
fn forward(stream: Stream, mut pipe: impl Read, sender: &Sender<Event>) {
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return,
            Ok(count)
                if sender
                    .send(Event::Output(stream, chunk[..count].to_vec()))
                    .is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use reusespec_core::protocol::Placed;

    use super::*;

    fn replies_to(exec: &Exec, content: &[u8]) -> Vec<Reply> {
        let mut replies = Vec::new();
        execute(exec, io::Cursor::new(content.to_vec()), &mut |reply| {
            replies.push(reply.clone());
            Ok(())
        })
        .unwrap();
        replies
    }

    fn shell(script: &str, limit_ms: u64) -> Exec {
        Exec {
            program: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("GIVEN".to_owned(), "1".to_owned())],
            folder: "/".to_owned(),
            limit_ms,
            files: Vec::new(),
        }
    }

    fn output(replies: &[Reply], wanted: Stream) -> String {
        let texts = replies.iter().filter_map(|reply| match reply {
            Reply::Output { stream, hexadecimal } if *stream == wanted => Some(hexadecimal.as_str()),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn streams_are_separate_and_the_status_comes_last() {
        let replies = replies_to(&shell("echo out; echo $GIVEN$HOME >&2; exit 3", 10_000), b"");
        assert_eq!(output(&replies, Stream::Stdout), HEXLOWER.encode(b"out\n"));
        assert_eq!(output(&replies, Stream::Stderr), HEXLOWER.encode(b"1\n"));
        assert_eq!(replies.last(), Some(&Reply::Ended(Ended::Exited(3))));
    }

    #[test]
    fn standard_input_arrives_with_its_end_and_a_program_may_ignore_it() {
        let mut pieces = Vec::new();
        for bytes in [&b"one "[..], b"two", b""] {
            let hexadecimal = HEXLOWER.encode(bytes);
            serde_json::to_writer(&mut pieces, &Request::Stdin { hexadecimal }).unwrap();
            pieces.push(b'\n');
        }
        let replies = replies_to(&shell("cat; echo .", 10_000), &pieces);
        assert_eq!(output(&replies, Stream::Stdout), HEXLOWER.encode(b"one two.\n"));
        let replies = replies_to(&shell("exec <&-; sleep 0.1; exit 4", 10_000), &pieces);
        assert_eq!(replies.last(), Some(&Reply::Ended(Ended::Exited(4))));
    }

    #[test]
    fn exit_signal_timeout_and_a_missing_program_differ() {
        let last = |script, limit| replies_to(&shell(script, limit), b"").pop();
        assert_eq!(
            last("kill -ABRT $$", 10_000),
            Some(Reply::Ended(Ended::Signalled(6)))
        );
        assert_eq!(last("sleep 1000", 50), Some(Reply::Ended(Ended::TooLate)));
        let mut absent = shell("", 1);
        absent.program = "/nowhere/program".to_owned();
        assert!(
            matches!(replies_to(&absent, b"").pop(), Some(Reply::Ended(Ended::NotStarted(why))) if why.contains("/nowhere"))
        );
    }

    #[test]
    fn files_are_placed_with_their_modes_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let mut exec = shell("", 10_000);
        exec.program = at("bin/link");
        exec.arguments.clear();
        let script = b"#!/bin/sh\nexit 7\n";
        exec.files = vec![
            Placed {
                path: at("bin/program"),
                content: Content::Bytes {
                    count: script.len() as u64,
                    mode: 0o755,
                },
            },
            Placed {
                path: at("bin/link"),
                content: Content::Link("program".to_owned()),
            },
        ];
        assert_eq!(replies_to(&exec, script), [Reply::Ended(Ended::Exited(7))]);
    }
}
