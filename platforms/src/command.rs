//! An agent as a command: on this machine, over somebody's ssh, inside a container.
//!
//! The command gets a process group of its own, so that Ctrl-C reaches the runner alone, and a death signal,
//! so that it cannot outlive the thread that started it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::link::{AgentHandle, LaunchRequest, Link, StartError as LinkError, Starter};

/// How many lines of standard error are kept for reports.
const KEPT_LINES: usize = 20;
/// How long to wait for the exit status of a command whose streams have closed, and for what it has said last. Nobody
/// waits so long but where something is wrong: a command that runs on, or a child of it that keeps standard error open.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);
/// How often they are asked for.
const POLL: Duration = Duration::from_millis(5);

/// A program and its arguments that speak the agent's protocol on standard input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it is given before the requests: an executable that a remote shell is waiting for.
    pub first: Vec<u8>,
}

/// The command could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the agent `{program}`")]
pub struct StartError {
    program: String,
    source: io::Error,
}

impl AgentCommand {
    /// This program with these arguments.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
            first: Vec::new(),
        }
    }

    /// The same, given `first` before the requests.
    #[must_use]
    pub fn after(mut self, first: Vec<u8>) -> Self {
        self.first = first;
        self
    }

    /// Starts it. The calling thread must live as long as the link.
    ///
    /// # Errors
    /// When the program is not there or may not be executed.
    pub fn start(&self) -> Result<Link, StartError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        die_with_parent(&mut command);
        let failed = |source| StartError {
            program: self.program.to_string_lossy().into_owned(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|stderr| {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || keep_lines(stderr, &kept))
        });
        let (Some(requests), Some(replies)) = (stdin, stdout) else {
            return Err(failed(io::Error::other("its standard streams were not piped")));
        };
        if !self.first.is_empty() {
            // In a thread, because who takes it may be slow or gone; requests follow the hello, which follows this.
            let (first, mut stdin) = (self.first.clone(), File::from(dup(&requests).map_err(failed)?));
            std::thread::spawn(move || stdin.write_all(&first));
        }
        Ok(Link {
            requests: Box::new(requests),
            replies: Box::new(replies),
            handle: Box::new(CommandKeeper {
                child,
                kept,
                listener,
            }),
        })
    }
}

impl Starter for AgentCommand {
    fn start(&self, _: &LaunchRequest<'_>, _: &mut dyn FnMut(String)) -> Result<Link, LinkError> {
        Ok(Self::start(self)?)
    }
}

fn dup(stdin: &ChildStdin) -> io::Result<OwnedFd> {
    stdin.as_fd().try_clone_to_owned()
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl(2) is safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}

fn keep_lines(stderr: ChildStderr, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let Ok(mut kept) = kept.lock() else { return };
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

struct CommandKeeper {
    child: Child,
    kept: Arc<Mutex<VecDeque<String>>>,
    /// Ends with standard error.
    listener: Option<JoinHandle<()>>,
}

impl AgentHandle for CommandKeeper {
    fn diagnostics(&mut self) -> String {
        let deadline = Instant::now() + LAST_WORDS_WITHIN;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break format!("the agent ended with {status}"),
                Err(error) => break format!("the agent is gone: {error}"),
                Ok(None) if Instant::now() >= deadline => break "the agent still runs".to_owned(),
                Ok(None) => std::thread::sleep(POLL),
            }
        };
        let heard_all = |listener: &JoinHandle<()>| listener.is_finished() || Instant::now() >= deadline;
        while !self.listener.as_ref().is_none_or(heard_all) {
            std::thread::sleep(POLL);
        }
        let lines = self
            .kept
            .lock()
            .map(|kept| kept.iter().cloned().collect::<Vec<_>>())
            .unwrap_or_default();
        std::iter::once(status)
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for CommandKeeper {
    fn drop(&mut self) {
        // It leads a group: what a script has started for it goes with it.
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_waited_for_also_where_the_command_has_ended_before_them() {
        let script = ["-c", "exec >&-; (sleep 0.2; echo the end >&2) & exit 7"].map(OsString::from);
        let mut link = AgentCommand::new("sh", script).start().unwrap();
        link.replies.read_to_end(&mut Vec::new()).unwrap();
        let words = link.handle.diagnostics();
        assert_eq!(words, "the agent ended with exit status: 7\nthe end");
    }

    #[test]
    fn what_a_script_has_started_goes_with_it() {
        let script = ["-c", "sleep 60 & echo started; wait"].map(OsString::from);
        let mut link = AgentCommand::new("sh", script).start().unwrap();
        let begun = Instant::now();
        let mut line = [0; 8];
        link.replies.read_exact(&mut line).unwrap();
        drop(link.handle);
        // It has the same standard output, which ends with the last who has it.
        link.replies.read_to_end(&mut Vec::new()).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
