//! The agent's side of the adapter protocol: sends a request as a JSON line and reads one line in reply.
//!
//! Every read has a deadline, so that an adapter that hangs costs its case only the timeout.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::adapter::{AdapterReply, AdapterRequest};

/// A longer reply is an error.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// Why a request to an adapter has no result.
pub(super) enum AdapterError {
    /// The adapter's API has no such function.
    Unsupported(String),
    /// The adapter failed, ended, or sent no valid reply. The text completes a sentence that begins with its name.
    Failed(String),
}

/// The standard streams of an adapter.
pub(super) struct Lines {
    requests: ChildStdin,
    replies: ChildStdout,
    received: Vec<u8>,
}

impl Lines {
    /// Takes the pipes of a child. `None` if it has none.
    pub(super) fn of(child: &mut Child) -> io::Result<Option<Self>> {
        let streams = child.stdin.take().zip(child.stdout.take());
        Ok(streams.map(|(requests, replies)| Self {
            requests,
            replies,
            received: Vec::new(),
        }))
    }

    /// Sends a request and waits for its reply until `deadline`.
    pub(super) fn request(
        &mut self,
        request: &AdapterRequest,
        deadline: Instant,
    ) -> Result<AdapterReply, AdapterError> {
        let failed = |error: io::Error| AdapterError::Failed(format!("cannot be written to: {error}"));
        let mut text = serde_json::to_string(request).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.requests.write_all(text.as_bytes()).map_err(failed)?;
        let line = self.read_line(deadline)?;
        match serde_json::from_str(&line) {
            Ok(reply @ (AdapterReply::Ok | AdapterReply::Hello { .. } | AdapterReply::Count(_))) => Ok(reply),
            Ok(AdapterReply::Unsupported(what)) => Err(AdapterError::Unsupported(what)),
            Ok(AdapterReply::Failed(what)) => Err(AdapterError::Failed(format!("failed: {what}"))),
            Err(_) => Err(AdapterError::Failed(format!(
                "sent an invalid reply: `{line:.80}`"
            ))),
        }
    }

    fn read_line(&mut self, deadline: Instant) -> Result<String, AdapterError> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.received.len() > LONGEST_LINE_BYTES {
                return Err(AdapterError::Failed("sent a reply that is too long".to_owned()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(self.replies.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(AdapterError::Failed("did not answer".to_owned())),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(AdapterError::Failed(format!("cannot be read from: {error}"))),
            }
            let mut buffer = [0; 4096];
            match self.replies.read(&mut buffer) {
                Ok(0) => return Err(AdapterError::Failed("has ended".to_owned())),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(AdapterError::Failed(format!("cannot be read from: {error}"))),
            }
        }
    }
}
