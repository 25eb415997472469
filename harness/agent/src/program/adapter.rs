//! The agent's side of the adapters' protocol: a line out, a line in, within a time.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::adapter::{AdapterReply, AdapterRequest};

/// A longer answer is none.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// Why an adapter did not do what it was asked.
pub(super) enum Trouble {
    /// Its API has no such thing.
    Unsupported(String),
    /// It failed, is gone, or says something else; in words that follow its name.
    Silent(String),
}

/// The standard streams of an adapter.
pub(super) struct Lines {
    requests: ChildStdin,
    replies: ChildStdout,
    held: Vec<u8>,
}

impl Lines {
    /// Takes the streams of a child that was given pipes.
    pub(super) fn of(child: &mut Child) -> io::Result<Option<Self>> {
        let streams = child.stdin.take().zip(child.stdout.take());
        Ok(streams.map(|(requests, replies)| Self {
            requests,
            replies,
            held: Vec::new(),
        }))
    }

    /// Writes a request and waits for its answer.
    pub(super) fn ask(
        &mut self,
        request: &AdapterRequest,
        deadline: Instant,
    ) -> Result<AdapterReply, Trouble> {
        let gone = |error: io::Error| Trouble::Silent(format!("did not take a line: {error}"));
        let mut line = serde_json::to_string(request).map_err(|error| gone(error.into()))?;
        line.push('\n');
        self.requests.write_all(line.as_bytes()).map_err(gone)?;
        let answer = self.line(deadline)?;
        match serde_json::from_str(&answer) {
            Ok(reply @ (AdapterReply::Ok | AdapterReply::Hello { .. } | AdapterReply::Count(_))) => Ok(reply),
            Ok(AdapterReply::Unsupported(what)) => Err(Trouble::Unsupported(what)),
            Ok(AdapterReply::Failed(what)) => Err(Trouble::Silent(format!("failed: {what}"))),
            Err(_) => Err(Trouble::Silent(format!("answered `{answer:.80}`"))),
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.held.len() > LONGEST_LINE_BYTES {
                return Err(Trouble::Silent("answered without an end of line".to_owned()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(self.replies.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(Trouble::Silent("did not answer".to_owned())),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(Trouble::Silent(format!("cannot be heard: {error}"))),
            }
            let mut buffer = [0; 4096];
            match self.replies.read(&mut buffer) {
                Ok(0) => return Err(Trouble::Silent("has ended".to_owned())),
                Ok(count) => self.held.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(Trouble::Silent(format!("cannot be heard: {error}"))),
            }
        }
    }
}
