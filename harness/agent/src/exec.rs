//! Runs somebody's program in a machine of ours: files come in, what it prints goes out as it is printed.
//!
//! Only as a guest's first program: the files are put where the request says, `/lib64` included, which is no way to
//! treat a machine that somebody still needs. Reading two pipes and waiting for an exit takes a thread each; the
//! rule of one thread is for cases, of which there are none here.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reusespec_core::protocol::{Content, Ended, Exec, Reply, Stream};

/// How long what a program has left running may go on printing after it has ended.
const STRAGGLERS: Duration = Duration::from_millis(500);
/// The most that one line carries.
const CHUNK_BYTES: usize = 16 * 1024;

/// Does what the request says; `content` is the files' bytes, one after the other.
pub(crate) fn execute(
    exec: &Exec,
    content: &mut impl Read,
    send: &mut dyn FnMut(&Reply) -> io::Result<()>,
) -> io::Result<()> {
    let ended = match place(exec, content).and_then(|()| run(exec, send)) {
        Ok(ended) => ended,
        Err(error) => Ended::NotStarted(error.to_string()),
    };
    send(&Reply::Ended(ended))
}

fn place(exec: &Exec, content: &mut impl Read) -> io::Result<()> {
    for file in &exec.files {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.path));
        let path = Path::new(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(named)?;
        }
        match &file.content {
            Content::Link(to) => symlink(to, path).map_err(named)?,
            Content::Bytes { count, mode } => {
                // A file of the same name may be running, or a link elsewhere.
                let _ = fs::remove_file(path);
                let mut target = File::create(path).map_err(named)?;
                let copied = io::copy(&mut content.by_ref().take(*count), &mut target).map_err(named)?;
                if copied < *count {
                    return Err(named(io::ErrorKind::UnexpectedEof.into()));
                }
                target
                    .set_permissions(fs::Permissions::from_mode(*mode))
                    .map_err(named)?;
            }
        }
    }
    Ok(())
}

enum News {
    Printed(Stream, Vec<u8>),
    Exited(io::Result<ExitStatus>),
}

fn run(exec: &Exec, send: &mut dyn FnMut(&Reply) -> io::Result<()>) -> io::Result<Ended> {
    let mut child = Command::new(&exec.program)
        .args(&exec.arguments)
        .env_clear()
        .envs(exec.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&exec.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", exec.program)))?;
    let group = Pid::from_raw(child.id().cast_signed());
    let (sender, heard) = channel();
    let stdout = child
        .stdout
        .take()
        .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child
        .stderr
        .take()
        .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    for (stream, pipe) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        let sender = sender.clone();
        thread::spawn(move || pipe.map(|pipe| pass_on(stream, pipe, &sender)));
    }
    thread::spawn(move || sender.send(News::Exited(child.wait())));
    let mut deadline = Instant::now() + Duration::from_millis(exec.limit_ms);
    let mut ended = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match heard.recv_timeout(left) {
            Ok(News::Printed(stream, bytes)) => send(&Reply::Output {
                stream,
                hexadecimal: HEXLOWER.encode(&bytes),
            })?,
            Ok(News::Exited(status)) => {
                ended.get_or_insert(how(status?));
                deadline = Instant::now() + STRAGGLERS;
            }
            // Both pipes are closed and the status is known.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if ended.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {
                ended = Some(Ended::TooLate);
                deadline = Instant::now() + STRAGGLERS;
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
    }
    let _ = killpg(group, Signal::SIGKILL);
    Ok(ended.unwrap_or(Ended::TooLate))
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

fn pass_on(stream: Stream, mut pipe: impl Read, sender: &Sender<News>) {
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return,
            Ok(count)
                if sender
                    .send(News::Printed(stream, chunk[..count].to_vec()))
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

    fn told(exec: &Exec, content: &[u8]) -> Vec<Reply> {
        let mut replies = Vec::new();
        execute(exec, &mut &content[..], &mut |reply| {
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

    fn printed(replies: &[Reply], wanted: Stream) -> String {
        let texts = replies.iter().filter_map(|reply| match reply {
            Reply::Output { stream, hexadecimal } if *stream == wanted => Some(hexadecimal.as_str()),
            _ => None,
        });
        texts.collect()
    }

    #[test]
    fn streams_are_apart_and_the_status_comes_last() {
        let replies = told(&shell("echo out; echo $GIVEN$HOME >&2; exit 3", 10_000), b"");
        assert_eq!(printed(&replies, Stream::Stdout), HEXLOWER.encode(b"out\n"));
        assert_eq!(printed(&replies, Stream::Stderr), HEXLOWER.encode(b"1\n"));
        assert_eq!(replies.last(), Some(&Reply::Ended(Ended::Exited(3))));
    }

    #[test]
    fn a_signal_is_told_from_a_status_and_a_limit_from_both() {
        let last = |script, limit| told(&shell(script, limit), b"").pop();
        assert_eq!(
            last("kill -ABRT $$", 10_000),
            Some(Reply::Ended(Ended::Signalled(6)))
        );
        assert_eq!(last("sleep 1000", 50), Some(Reply::Ended(Ended::TooLate)));
        let mut absent = shell("", 1);
        absent.program = "/nowhere/program".to_owned();
        assert!(
            matches!(told(&absent, b"").pop(), Some(Reply::Ended(Ended::NotStarted(why))) if why.contains("/nowhere"))
        );
    }

    #[test]
    fn files_are_placed_with_their_modes_and_links() {
        let folder = std::env::temp_dir().join(format!("reusespec-exec-{}", std::process::id()));
        let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
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
        let replies = told(&exec, script);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(replies, [Reply::Ended(Ended::Exited(7))]);
    }
}
