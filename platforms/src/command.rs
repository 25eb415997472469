//! An agent started as a command: on this machine, through ssh, or inside a container.
//!
//! The command gets its own process group, so that Ctrl-C reaches only the host, and so that the children of a script
//! are killed together with it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::link::{AgentHandle, LaunchRequest, Link, StartError, Starter};
use crate::process::ChildGuard;

/// How many lines of standard error are kept for reports.
const KEPT_LINES: usize = 20;
/// Limits the wait for the exit status and the rest of standard error, after the command's streams have closed. It is
/// reached only if the command keeps running, or one of its children keeps standard error open.
const DIAGNOSTICS_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which both are checked.
const POLL: Duration = Duration::from_millis(5);

/// A program that speaks the agent's protocol on standard input and output, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Bytes written before the requests: the executable that a remote shell reads.
    pub prefix: Vec<u8>,
}

/// The command could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the agent `{program}`")]
pub struct SpawnError {
    program: String,
    source: io::Error,
}

impl AgentCommand {
    /// A command with an empty prefix.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
            prefix: Vec::new(),
        }
    }

    /// The same command, which receives `prefix` before the requests.
    #[must_use]
    pub fn with_prefix(mut self, prefix: Vec<u8>) -> Self {
        self.prefix = prefix;
        self
    }

    /// Starts the command.
    ///
    /// # Errors
    /// When the program is missing or cannot be executed.
    pub fn start(&self) -> Result<Link, SpawnError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |source| SpawnError {
            program: self.program.to_string_lossy().into_owned(),
            source,
        };
        let mut guard = ChildGuard::start(command).map_err(failed)?;
        let child = guard.child();
        let requests = child.stdin.take().expect("it is piped");
        let replies = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let reader = std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || keep_lines(stderr, &lines)
        });
        let handle = CommandHandle { guard, lines, reader };
        if !self.prefix.is_empty() {
            // In a thread, because the remote shell may read slowly or not at all. No request can overtake the prefix:
            // the host sends requests after the hello, and the agent sends its hello after it has received the prefix.
            let (prefix, mut stdin) = (self.prefix.clone(), File::from(dup(&requests).map_err(failed)?));
            std::thread::spawn(move || stdin.write_all(&prefix));
        }
        Ok(Link {
            requests: Box::new(requests),
            replies: Box::new(replies),
            handle: Box::new(handle),
        })
    }
}

impl Starter for AgentCommand {
    fn start(&self, _: &LaunchRequest<'_>, _: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        Ok(Self::start(self)?)
    }
}

fn dup(stdin: &ChildStdin) -> io::Result<OwnedFd> {
    stdin.as_fd().try_clone_to_owned()
}

fn keep_lines(stderr: ChildStderr, lines: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let Ok(mut lines) = lines.lock() else { return };
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

struct CommandHandle {
    guard: ChildGuard,
    /// The last lines of standard error.
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Fills `lines`, and ends when standard error is closed.
    reader: JoinHandle<()>,
}

impl AgentHandle for CommandHandle {
    fn diagnostics(&mut self) -> String {
        let deadline = Instant::now() + DIAGNOSTICS_TIMEOUT;
        let status = match self.guard.wait(DIAGNOSTICS_TIMEOUT) {
            Some(status) => format!("the agent ended with {status}"),
            None => "the agent still runs".to_owned(),
        };
        while !self.reader.is_finished() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let lines = self
            .lines
            .lock()
            .map(|lines| lines.iter().cloned().collect::<Vec<_>>())
            .unwrap_or_default();
        std::iter::once(status)
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for CommandHandle {
    fn drop(&mut self) {
        // The command leads a process group: this also kills the children of a script. The guard then reaps the leader.
        let group = Pid::from_raw(self.guard.id().cast_signed());
        let _ = killpg(group, Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_include_lines_written_after_the_command_ended() {
        let script = ["-c", "exec >&-; (sleep 0.2; echo the end >&2) & exit 7"].map(OsString::from);
        let mut link = AgentCommand::new("sh", script).start().unwrap();
        link.replies.read_to_end(&mut Vec::new()).unwrap();
        let diagnostics = link.handle.diagnostics();
        assert_eq!(diagnostics, "the agent ended with exit status: 7\nthe end");
    }

    #[test]
    fn dropping_the_handle_kills_the_children_of_a_script() {
        let script = ["-c", "sleep 60 & echo started; wait"].map(OsString::from);
        let mut link = AgentCommand::new("sh", script).start().unwrap();
        let begun = Instant::now();
        let mut line = [0; 8];
        link.replies.read_exact(&mut line).unwrap();
        drop(link.handle);
        // `sleep` inherited the standard output, which reads as ended only after `sleep` is gone.
        link.replies.read_to_end(&mut Vec::new()).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
